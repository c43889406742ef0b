// One topic, or the topics of a pattern: its items and changes live, its past, and forms to publish.
import { h, fill, panel, head, field, many, clock, say, brief, tabs, seldom, copyButton, quote } from "./dom.js"
import { get } from "./api.js"
import { client, bus, about, own, narrowed, topicURL, wscat } from "./session.js"
import { merge } from "/browser/store.js"
import { diff } from "./diff.js"

const mostItems = 5000,
  mostData = 20e6,
  mostText = 2000,
  mostChanges = 500,
  shownItems = 200,
  shownChanges = 100,
  cells = 120

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

/** What has arrived of a topic. */
const liveView = (name, where) => {
  const items = new Map(),
    line = newLine(name)
  let changes = [],
    seen = 0,
    query = "",
    loaded = false
  const rows = h("tbody"),
    list = h("tbody"),
    note = h("p.empty"),
    none = h(
      "p.empty",
      {},
      name.includes("*")
        ? "No change yet. Put an item into one of the topics."
        : "No change yet. Put an item with the tab Publish, or from anywhere else.",
    )
  const find = h("input", {
    type: "search",
    placeholder: "Find items",
    "aria-label": "Find items",
    oninput: () => {
      query = find.value.toLowerCase()
      soon()
    },
  })
  const count = h("span.soft.num"),
    total = h("span.soft.num")
  const pause = h(
    "button.small",
    {
      type: "button",
      "aria-pressed": "false",
      onclick: () => {
        paused = !paused
        pause.setAttribute("aria-pressed", String(paused))
        pause.textContent = paused ? "Go on" : "Pause"
        soon()
      },
    },
    "Pause",
  )
  let paused = false
  const draw = () => {
    line.draw()
    if (paused) return
    const found = []
    for (const [key, item] of items)
      if (!query || (key + item.text).toLowerCase().includes(query)) {
        found.push(item)
        if (found.length > shownItems) break
      }
    fill(
      rows,
      found
        .slice(0, shownItems)
        .map(i =>
          h(
            Date.now() - i.at < 400 ? "tr.fresh" : "tr",
            {},
            h("td.name", {}, h("code", {}, i.id), name.includes("*") && h(".soft", {}, i.topic)),
            h("td", {}, h("code", {}, i.text.length > 300 ? i.text.slice(0, 300) + " …" : i.text)),
          ),
        ),
    )
    count.textContent = many(items.size) + (items.size < mostItems ? "" : "+")
    total.textContent = `${many(seen)} new`
    note.hidden = found.length <= shownItems && items.size > 0
    note.textContent = items.size
      ? items.size < mostItems
        ? `The first ${shownItems} are shown. Find narrows the list.`
        : `This page keeps ${many(mostItems)} items and shows the first ${shownItems}. Find looks in those that it keeps.`
      : loaded
        ? "The topic has no items."
        : "Its items have not come yet."
    none.hidden = changes.length > 0
    fill(
      list,
      changes
        .slice(-shownChanges)
        .reverse()
        .map(c =>
          h(
            "tr",
            {},
            h("td.num", {}, c.seq),
            h("td", {}, h(`span.tag.${c.op}`, {}, c.op)),
            h(
              "td",
              {},
              h("code", {}, c.id),
              name.includes("*") && h(".soft", {}, c.topic),
              h(".soft.num", {}, clock(c.at)),
            ),
            h("td", {}, c.what),
          ),
        ),
    )
  }
  const soon = seldom(draw)
  /** What a change did. It is made at once, because data of many changes are too much to keep. */
  const what = c =>
    c.op === "removed"
      ? h("span.soft", {}, c.expired ? "its time was over" : "removed")
      : c.op === "added"
        ? diff({}, c.data)
        : c.before
          ? diff(c.before, c.data)
          : c.data
            ? [h("span.soft", {}, "now "), h("code", {}, brief(c.data, 200))]
            : h("span.soft", {}, "a patch of data that this page does not keep")
  const add = (c, at) => changes.push({ topic: c.topic, seq: c.seq, op: c.op, id: c.id, at, what: what(c) })
  let held = 0 // the length of the data that are kept, as JSON
  const drop = key => {
    held -= items.get(key)?.size ?? 0
    items.delete(key)
  }
  /** Keeps an item: whole while there is room, and else only the beginning of its text. */
  const keep = (key, topic, id, data, at) => {
    if (!items.has(key) && items.size >= mostItems) return
    const json = JSON.stringify(data) ?? "…",
      was = items.get(key)?.size ?? 0,
      size = held - was + json.length > mostData ? 0 : json.length
    held += size - was
    const text = json.length > mostText ? structuredClone(json.slice(0, mostText)) : json // a slice would hold the whole
    items.set(key, { topic, id, at, size, text, data: size ? data : undefined })
  }
  /** Puts changes of the log before those that have arrived. */
  const remember = log => {
    const arrived = changes,
      first = arrived[0]?.seq ?? Infinity
    changes = []
    for (const c of log) if (c.seq < first) add(c, Date.parse(c.time))
    changes.push(...arrived)
    soon()
  }
  const accept = ({ topic, page, change, cursor }) => {
    if (cursor) where.textContent = cursor
    loaded = true
    if (page?.first) for (const [key, item] of items) if (item.topic === topic) drop(key)
    for (const item of page?.items ?? []) keep(`${topic} ${item.id}`, topic, item.id, item.data, 0)
    if (page?.reason) say(`The watch started over: ${page.reason}`)
    if (change && change.op !== "skipped") {
      const key = `${topic} ${change.id}`,
        old = items.get(key)?.data
      const data = !change.patch ? change.data : old && merge(old, change.patch)
      if (change.op === "removed") drop(key)
      else keep(key, topic, change.id, data, Date.now())
      seen++
      add({ ...change, topic, before: old, data }, Date.now())
      if (changes.length > mostChanges) changes = changes.slice(-mostChanges / 2)
    }
    soon()
  }
  const scroll = (label, heads, rows) =>
    h(
      ".scroll",
      { tabIndex: 0, role: "region", "aria-label": label },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            heads.map(t => h("th", { scope: "col" }, t)),
          ),
        ),
        rows,
      ),
    )
  const element = h(
    "div.stack",
    {},
    panel("Arrivals", h("span.soft", {}, "what the wire brought, by number"), h(".body", {}, line.element)),
    h(
      ".cols.below",
      {},
      panel("Items", [count, find], scroll("Items", ["Id", "Data"], rows), note),
      panel("Changes", [total, pause], scroll("Changes", ["Seq", "Op", "Item", "What changed"], list), none),
    ),
  )
  return {
    element,
    accept,
    remember,
    frame: f => {
      line.frame(f)
      soon()
    },
    clear: () => {
      items.clear()
      held = 0
      changes = []
      seen = 0
      loaded = false
      soon()
    },
  }
}

/** The cursor line: for each number whether, and how, the change came. It sees frames before the client puts them in order. */
const newLine = name => {
  const seqs = new Map() // of the topic that changed last
  let of = "",
    first = 0,
    last = 0,
    holes = 0,
    healed = 0,
    again = 0
  const strip = h(".line", { role: "img" }),
    text = h("p.soft.num")
  const set = (seq, how) => {
    const was = seqs.get(seq)
    if (was && was !== "missing") {
      again++
      return
    }
    if (was === "missing") {
      healed++
      holes--
      how = how === "got" ? "late" : how
    }
    seqs.set(seq, how)
    first ||= seq
    for (let missing = Math.max(last + 1, seq - 2000); last && missing < seq; missing++)
      if (!seqs.has(missing)) {
        seqs.set(missing, "missing")
        holes++
      }
    last = Math.max(last, seq)
    if (seqs.size > 3000) for (const key of [...seqs.keys()].sort((a, b) => a - b).slice(0, 1500)) seqs.delete(key)
  }
  const matches = topic =>
    topic === name ||
    (name.endsWith("/*") && topic.startsWith(name.slice(0, -1))) ||
    (name.endsWith("/**") && topic.startsWith(name.slice(0, -2)))
  const begin = (topic, seq) => {
    if (of !== topic) {
      seqs.clear()
      of = topic
      first = holes = healed = again = 0
      last = seq
    }
  }
  const frame = ({ direction, frame: f, of: connection }) => {
    if (direction !== "in" || connection !== "client" || !f) return
    if (f.type === "snapshot" && f.topic === name && f.seq > last)
      (begin(f.topic, f.seq), (last = Math.max(last, f.seq)))
    if (f.type !== "changes") return
    for (const c of f.changes ?? []) {
      if (!matches(c.topic)) continue
      begin(c.topic, c.seq - 1)
      for (let seq = Math.max(c.seq, (c.to ?? c.seq) - 500); seq <= (c.to ?? c.seq); seq++)
        set(seq, c.op === "skipped" ? "skipped" : "got")
    }
  }
  const draw = () => {
    const from = Math.max(1, last - cells + 1),
      shown = [...Array(Math.max(0, last - from + 1))].map((_, i) => from + i).filter(seq => seqs.has(seq))
    fill(
      strip,
      shown.map(seq => h(`i.${seqs.get(seq)}`, { title: `${seq}: ${seqs.get(seq)}` })),
    )
    const words = shown.length
      ? `${of === name ? "" : of + ": "}seq ${shown[0]} to ${last}. ${holes ? `${holes} missing` : "Nothing is missing"}${healed ? `, ${healed} healed` : ""}${again ? `, ${again} came again` : ""}.`
      : "Nothing has arrived since you opened this view."
    text.textContent = words
    strip.setAttribute("aria-label", words)
  }
  const legend = h(
    ".legend",
    { "aria-hidden": "true" },
    [
      ["got", "in order"],
      ["missing", "missing"],
      ["late", "healed"],
      ["skipped", "not shown by filter or latest"],
    ].map(([k, t]) => h(`span.${k}`, {}, h("i"), t)),
  )
  return { element: h(".stack.tight", {}, strip, text, legend), frame, draw }
}

/** The items as they were after a change, from the log. */
const pastView = (name, signal) => {
  const rows = h("tbody"),
    note = h("p", { role: "status" }),
    change = h("div"),
    error = h(".error", { hidden: true, role: "alert" })
  const range = h("input", {
    type: "range",
    min: "0",
    "aria-label": "Change",
    oninput: () => {
      exact.value = range.value
      soon()
    },
  })
  const exact = h("input", {
    type: "number",
    min: "0",
    "aria-label": "Number of the change",
    oninput: () => {
      range.value = exact.value
      soon()
    },
  })
  const step = by => {
    range.value = exact.value = String(
      Math.min(Number(range.max), Math.max(Number(range.min), Number(exact.value) + by)),
    )
    soon()
  }
  let last = 0
  const show = async () => {
    const seq = Number(exact.value)
    try {
      const [then, log] = await Promise.all([
        get("then", { topic: name, seq }),
        seq ? get("log", { topic: name, from: seq }) : undefined,
      ])
      if (signal.aborted || Number(exact.value) !== seq) return
      error.hidden = true
      const one = log?.changes[0]?.seq === seq ? log.changes[0] : undefined
      last = then.last
      note.textContent =
        `${then.more ? "The first" : "The"} ${many(then.items.length)} item${then.items.length === 1 ? "" : "s"} after change ${seq} of ${last}, at the cursor ${then.epoch}:${seq}.` +
        (then.items.length > shownItems ? ` The first ${shownItems} are shown.` : "")
      fill(
        change,
        one && [
          h(
            ".row",
            {},
            h(`span.tag.${one.op}`, {}, one.op),
            h("code", {}, one.id),
            h("span.soft", {}, new Date(one.time).toLocaleString()),
          ),
          one.op === "removed"
            ? h("span.soft", {}, one.expired ? "its time was over" : "it was removed")
            : diff(one.before, one.data),
        ],
      )
      fill(
        rows,
        then.items
          .slice(0, shownItems)
          .map(i =>
            h(
              one?.id === i.id ? "tr.fresh" : "tr",
              {},
              h("td.name", {}, h("code", {}, i.id)),
              h("td", {}, i.unknown ? h("span.soft", {}, "the log does not say") : h("code", {}, brief(i.data))),
            ),
          ),
      )
    } catch (problem) {
      error.hidden = false
      error.textContent = problem.message
    }
  }
  const soon = seldom(show, 60)
  const open = async () => {
    const log = await get("log", { topic: name })
    range.min = exact.min = String(Math.max(0, log.first - 1, log.last - 10_000))
    range.max = exact.max = String(log.last) // before the value, which it bounds
    range.value = exact.value = String(log.last)
    reach.textContent = log.last ? `The log reaches from ${log.first} to ${log.last}.` : "Nothing is in the log yet."
    await show()
  }
  const reach = h("span.soft.num")
  open()
  return h(
    ".stack",
    {},
    panel(
      "Time travel",
      reach,
      h(
        ".body",
        {},
        h(
          ".row",
          {},
          h("button", { type: "button", "aria-label": "One change back", onclick: () => step(-1) }, "‹"),
          range,
          h("button", { type: "button", "aria-label": "One change on", onclick: () => step(1) }, "›"),
          exact,
          h("button.small", { type: "button", onclick: open }, "Now"),
        ),
        narrowed() && h("p.warn", {}, "The past is read from the tables: it shows more than the token does."),
        note,
        error,
        change,
      ),
    ),
    panel(
      "Items then",
      null,
      h(
        ".scroll",
        { tabIndex: 0, role: "region", "aria-label": "Items then" },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Id"), h("th", { scope: "col" }, "Data"))),
          rows,
        ),
      ),
    ),
  )
}

const attribute = v =>
  v === null
    ? { NULL: true }
    : typeof v === "number"
      ? { N: String(v) }
      : typeof v === "boolean"
        ? { BOOL: v }
        : typeof v === "string"
          ? { S: v }
          : Array.isArray(v)
            ? { L: v.map(attribute) }
            : { M: Object.fromEntries(Object.entries(v).map(([k, x]) => [k, attribute(x)])) }

/** Forms that put and remove an item. */
const publishView = name => {
  const id = h("input.mono", { placeholder: "made up if empty", autocomplete: "off", spellcheck: "false" })
  const data = h(
    "textarea",
    { "aria-label": "Data, a JSON object", spellcheck: "false", rows: "6" },
    '{\n  "price": 150.75\n}',
  )
  const seconds = h("input", { type: "number", min: "1", placeholder: "never" }),
    fresh = h("input", { type: "checkbox" })
  const result = h("div", { role: "status" }),
    frameOf = () => ({
      action: "publish",
      id: "q1",
      topic: name,
      item: { ...(id.value && { id: id.value }), data: read() },
      ...(seconds.value && { expiresAt: until() }),
    })
  const until = () => Math.floor(Date.now() / 1000) + Number(seconds.value)
  const read = () => {
    const value = JSON.parse(data.value)
    if (!value || typeof value !== "object" || Array.isArray(value)) throw new Error("The data are not a JSON object")
    return value
  }
  const check = () => {
    try {
      read()
      data.removeAttribute("aria-invalid")
    } catch {
      data.setAttribute("aria-invalid", "true")
    }
  }
  data.addEventListener("input", check)
  const doing = what => async e => {
    e?.preventDefault()
    try {
      fill(result, h("p.good", {}, await what()))
    } catch (error) {
      fill(result, h(".error", {}, error.message))
    }
  }
  const put = doing(async () => {
    const item = { ...(id.value && { id: id.value }), data: read() }
    if (!fresh.checked)
      return `Put ${(await client.publish(name, item, seconds.value ? { expiresAt: until() } : {})).id}.`
    const token = await own()
    const answer = await fetch(topicURL(name), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "If-None-Match": "*",
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ ...item, ...(seconds.value && { expiresAt: until() }) }),
    })
    const told = await answer.json()
    if (!answer.ok) throw new Error(`${answer.status}: ${told.detail ?? told.title}`)
    return `Put ${told.id}, which is new.`
  })
  const remove = doing(async () => {
    if (!id.value) throw new Error("Say which item: give its id")
    await client.remove(name, id.value)
    return `Removed ${id.value}.`
  })
  const key = () => id.value || "quote"
  const copies = {
    wscat: () => wscat(frameOf()),
    curl: () =>
      `curl ${quote(topicURL(name))} -H 'Content-Type: application/json'${fresh.checked ? " -H 'If-None-Match: *'" : ""} -d ${quote(JSON.stringify({ ...(id.value && { id: id.value }), data: read(), ...(seconds.value && { expiresAt: until() }) }))}`,
    "aws cli": () =>
      `aws --endpoint-url ${location.origin} --region us-east-1 --no-sign-request dynamodb put-item --table-name ${about.outputs.EventsTable} --item ${quote(JSON.stringify({ topic: { S: name }, id: { S: key() }, ...attribute(read()).M, ...(seconds.value && { expiresAt: { N: String(until()) } }) }))}`,
  }
  return panel(
    "Put an item",
    null,
    h(
      "form.body",
      { onsubmit: put },
      h(
        ".cols",
        {},
        field("Id", id),
        h(
          ".row.end",
          {},
          field("Expires after, in seconds", seconds),
          about.http && h("label.check", {}, fresh, "Only if it is new"),
        ),
      ),
      field("Data, a JSON object", data),
      h(
        ".row",
        {},
        h("button.primary", {}, "Put"),
        h("button.danger", { type: "button", onclick: remove }, "Remove the item"),
        h("span.grow"),
        h("span.soft", {}, "Copy as"),
        Object.entries(copies).map(([n, f]) => copyButton(n, f)),
      ),
      result,
    ),
  )
}

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
