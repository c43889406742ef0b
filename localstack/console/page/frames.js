// The frames of this page, both ways, and a form to send one.
import { h, fill, panel, head, field, clock, pretty, seldom, copyButton, quote, pauseButton } from "./dom.js"
import { frames as kept, bus, send, topicURL, wscat } from "./session.js"
import { meaning } from "./meaning.js"

const most = 150
const samples = {
  subscribe: { action: "subscribe", id: "q1", topic: "stocks/AAPL" },
  "with a filter": { action: "subscribe", id: "q2", topic: "stocks/*", filter: { price: [{ numeric: [">", 100] }] } },
  resume: { action: "subscribe", id: "q3", topic: "stocks/AAPL", after: "EPOCH:1" },
  unsubscribe: { action: "unsubscribe", id: "q4", topic: "stocks/AAPL" },
  snapshot: { action: "snapshot", id: "q5", topic: "stocks/AAPL" },
  publish: { action: "publish", id: "q6", topic: "stocks/AAPL", item: { id: "quote", data: { price: 151 } } },
  remove: { action: "publish", id: "q7", op: "remove", topic: "stocks/AAPL", item: { id: "quote" } },
  ping: { action: "ping", id: "q8" },
}
const title = { in: "← in", out: "→ out", open: "open", close: "closed" }

export const frames = (main, signal) => {
  let query = "",
    from = 0
  const list = h(".frames"),
    none = h("p.empty", {}, "No frame yet. Watch a topic, or send a frame."),
    text = h(
      "textarea",
      { "aria-label": "Frame", spellcheck: "false", rows: "5" },
      JSON.stringify(samples.subscribe, null, 2),
    ),
    result = h("div", { role: "alert" })
  const find = h("input", {
    type: "search",
    placeholder: "Find frames",
    "aria-label": "Find frames",
    oninput: () => {
      query = find.value.toLowerCase()
      draw()
    },
  })
  const pause = pauseButton(() => draw())
  const open = new Set()
  const draw = () => {
    if (pause.paused) return
    const found = kept
      .filter(f => f.n > from && (!query || (f.text + meaning(f)).toLowerCase().includes(query)))
      .slice(-most)
      .reverse()
    none.hidden = found.length > 0
    fill(
      list,
      found.map(f =>
        h(
          ".frame",
          {},
          h("time.soft.num", {}, clock(f.at)),
          h(`span.dir.${f.direction}`, {}, title[f.direction]),
          h("span", {}, meaning(f), f.of === "form" && [" ", h("span.tag", {}, "form")]),
          f.text &&
            f.frame &&
            h(
              "details",
              { open: open.has(f.n), ontoggle: e => (e.target.open ? open.add(f.n) : open.delete(f.n)) },
              h("summary", {}, f.text.slice(0, 220)),
              h("pre", { tabIndex: 0 }, pretty(f.frame)),
            ),
        ),
      ),
    )
  }
  bus.addEventListener("frame", seldom(draw, 200), { signal })
  const go = async e => {
    e.preventDefault()
    try {
      fill(result)
      JSON.parse(text.value)
      await send(JSON.stringify(JSON.parse(text.value)))
    } catch (error) {
      fill(result, h(".error", {}, error.message))
    }
  }
  const sample = h(
    "select",
    {
      onchange: () => {
        text.value = JSON.stringify(samples[sample.value], null, 2)
      },
    },
    Object.keys(samples).map(name => h("option", {}, name)),
  )
  const asCurl = () => {
    const f = JSON.parse(text.value),
      url = topicURL(String(f.topic))
    if (f.action === "publish")
      return f.op === "remove"
        ? `curl -X DELETE ${quote(`${url}?id=${encodeURIComponent(f.item?.id ?? "")}`)}`
        : `curl ${quote(url)} -H 'Content-Type: application/json' -d ${quote(JSON.stringify({ ...f.item, expiresAt: f.expiresAt }))}`
    const query = new URLSearchParams(
      Object.entries({
        after: f.after,
        filter: f.filter && JSON.stringify(f.filter),
        fields: f.fields?.join(),
        latest: f.latest,
        delta: f.delta,
      }).filter(([, v]) => v),
    )
    return f.action === "subscribe"
      ? `curl -N -H 'Accept: text/event-stream' ${quote(url + (query.size ? "?" + query : ""))}`
      : `curl ${quote(url)}`
  }
  main.append(
    head("Frames", "What passes over the connections of this page, and what it means."),
    panel(
      "Send a frame",
      h("span.soft", {}, "over a connection of its own"),
      h(
        "form.body",
        { onsubmit: go },
        field("Begin with", sample),
        field("Frame", text),
        h(
          ".row",
          {},
          h("button.primary", {}, "Send"),
          h("span.grow"),
          h("span.soft", {}, "Copy as"),
          copyButton("wscat", () => wscat(JSON.parse(text.value))),
          copyButton("curl", asCurl),
        ),
        result,
      ),
    ),
    panel(
      "Log",
      [
        find,
        pause,
        h(
          "button.small",
          {
            type: "button",
            onclick: () => {
              from = kept.at(-1)?.n ?? 0
              draw()
            },
          },
          "Clear",
        ),
      ],
      list,
      none,
    ),
  )
  draw()
}
