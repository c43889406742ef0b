// What arrives of a topic, or of the topics of a pattern: its items, and the numbered changes with what they changed.
import { h, fill, panel, many, clock, say, brief, seldom, table, pauseButton } from "./dom.js"
import { merge } from "/browser/store.js"
import { diff } from "./diff.js"
import { newLine } from "./line.js"

const mostItems = 5000,
  mostData = 20e6,
  mostText = 2000,
  mostChanges = 500,
  shownItems = 200,
  shownChanges = 100

/** What has arrived of a topic. */
export const liveView = (name, where) => {
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
  const pause = pauseButton(() => soon())
  const draw = () => {
    line.draw()
    if (pause.paused) return
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
  const element = h(
    "div.stack",
    {},
    panel("Arrivals", h("span.soft", {}, "what the wire brought, by number"), h(".body", {}, line.element)),
    h(
      ".cols.below",
      {},
      panel("Items", [count, find], table("Items", ["Id", "Data"], rows), note),
      panel("Changes", [total, pause], table("Changes", ["Seq", "Op", "Item", "What changed"], list), none),
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
