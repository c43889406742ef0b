// One topic, or the topics of a pattern, with the parts Live, Past, Publish and Options.
import { h, fill, panel, head, field, tabs } from "./dom.js"
import { get } from "./api.js"
import { client, bus, narrowed } from "./session.js"
import { liveView } from "./live.js"
import { pastView } from "./past.js"
import { publishView } from "./publish.js"

export const topic = (main, signal, name) => {
  const pattern = name.includes("*"),
    options = { filter: undefined, fields: undefined, latest: false, delta: false }
  let watch = new AbortController()
  signal.addEventListener("abort", () => watch.abort())
  const body = h("div"),
    where = h("span.tag.mono"),
    ending = h(".error", { hidden: true, role: "alert" })
  const live = liveView(name, where)
  const start = async (tries = 40) => {
    watch.abort()
    const own = (watch = new AbortController())
    live.clear()
    ending.hidden = true
    if (!pattern && !narrowed() && !Object.keys(clean(options)).length)
      get("log", { topic: name }).then(
        log => own.signal.aborted || live.remember(log.changes),
        () => {},
      )
    try {
      for await (const event of client.watch(name, { ...clean(options), snapshot: true, signal: own.signal }))
        live.accept(event)
    } catch (error) {
      if (own.signal.aborted) return
      if (error.code === "other_view" && tries > 0) {
        // the watch before, with other options, has not ended yet
        await new Promise(done => setTimeout(done, 50))
        return own.signal.aborted || start(tries - 1)
      }
      ending.hidden = false
      ending.textContent = `The watch has ended: ${error.message}`
    }
  }
  const choices = ["Live", ...(pattern ? [] : ["Past", "Publish"]), "Options"]
  const choose = tab =>
    fill(
      body,
      tab === "Past"
        ? pastView(name, signal)
        : tab === "Publish"
          ? publishView(name)
          : tab === "Options"
            ? optionsView(options, start)
            : live.element,
    )
  main.append(
    head(
      name,
      pattern ? "All topics of this pattern. Items are shown of up to 500 of them, and changes of all." : "",
      where,
      tabs("Parts of the topic", choices, "Live", choose),
    ),
    ending,
    body,
  )
  const hear = e => live.frame(e.detail)
  bus.addEventListener("frame", hear, { signal })
  choose("Live")
  start()
}
const clean = o => Object.fromEntries(Object.entries(o).filter(([, v]) => v))

/** What the watch shows. */
const optionsView = (options, start) => {
  const filter = h(
    "textarea",
    {
      "aria-label": "Filter, an event pattern: only items that match",
      spellcheck: "false",
      rows: "4",
      placeholder: '{"price":[{"numeric":[">",100]}]}',
    },
    options.filter ? JSON.stringify(options.filter) : "",
  )
  const fields = h("input.mono", {
    placeholder: "price, seller.name",
    autocomplete: "off",
    value: (options.fields ?? []).join(", "),
  })
  const latest = h("input", { type: "checkbox", checked: options.latest }),
    delta = h("input", { type: "checkbox", checked: options.delta }),
    result = h("div", { role: "status" })
  const apply = e => {
    e.preventDefault()
    try {
      if (latest.checked && delta.checked) throw new Error("latest and delta exclude each other")
      Object.assign(options, {
        filter: filter.value.trim() ? JSON.parse(filter.value) : undefined,
        fields: fields.value.trim()
          ? fields.value
              .split(",")
              .map(f => f.trim())
              .filter(Boolean)
          : undefined,
        latest: latest.checked,
        delta: delta.checked,
      })
      start()
      fill(result, h("p.good", {}, "The topic is watched with these options now: see the tab Live."))
    } catch (error) {
      fill(result, h(".error", {}, error.message))
    }
  }
  return panel(
    "Options of this watch",
    null,
    h(
      "form.body",
      { onsubmit: apply },
      field("Filter, an event pattern: only items that match", filter),
      field("Fields: only these members", fields),
      h(
        ".row",
        {},
        h("label.check", {}, latest, "latest: only the last state of each item when behind"),
        h("label.check", {}, delta, "delta: patches where they are shorter"),
      ),
      h(".row", {}, h("button.primary", {}, "Watch with these")),
      result,
    ),
  )
}
