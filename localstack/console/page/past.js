// Time travel: the items of a topic as they were after a change.
import { h, fill, panel, many, brief, seldom, table } from "./dom.js"
import { get } from "./api.js"
import { narrowed } from "./session.js"
import { diff } from "./diff.js"

const shownItems = 200

/** The items as they were after a change, from the log. */
export const pastView = (name, signal) => {
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
    panel("Items then", null, table("Items then", ["Id", "Data"], rows)),
  )
}
