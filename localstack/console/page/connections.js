// Who is connected, and subscribed to what.
import { h, fill, panel, head, many, say, brief, ago, table } from "./dom.js"
import { get, post, every } from "./api.js"
const most = 200
export const connections = (main, signal) => {
  let list = [],
    more = false
  const rows = h("tbody"),
    note = h("p.empty"),
    count = h("span.soft.num"),
    find = h("input", {
      type: "search",
      placeholder: "Find clients",
      "aria-label": "Find subjects and topics",
      oninput: () => draw(),
    })
  const cut = c =>
    h(
      "button.small.danger",
      {
        type: "button",
        "aria-label": `Cut the connection of ${c.subject || c.id}`,
        onclick: async () => {
          try {
            await post("cut", { connection: c.id })
            say("Cut: a good client is back within a second or two")
          } catch (error) {
            say(error.message)
          }
          find.focus()
          ask()
        },
      },
      "Cut",
    )
  const watched = s =>
    h(
      "div",
      {},
      h("code", {}, s.topic),
      s.filter && h("span.soft", {}, " filter ", h("code", {}, brief(s.filter, 120))),
      s.fields && h("span.soft", {}, ` fields ${s.fields.join(", ")}`),
      [s.delta && "delta", s.latest && "latest"].filter(Boolean).map(t => [" ", h("span.tag", {}, t)]),
    )
  const draw = () => {
    const text = find.value.toLowerCase(),
      cutOff = more ? " The stack looks at 2,000 rows of a table: there are more." : "",
      found = list.filter(c => JSON.stringify(c).toLowerCase().includes(text))
    count.textContent = many(list.length) + (more ? "+" : "")
    note.hidden = !more && found.length > 0 && found.length <= most
    note.textContent = list.length
      ? (found.length > most
          ? `The first ${most} of ${many(found.length)} are shown.`
          : found.length
            ? ""
            : "Nobody like that is connected.") + cutOff
      : "Nobody is connected. A topic that you watch here would show this page."
    if (rows.contains(document.activeElement)) return
    fill(
      rows,
      found
        .slice(0, most)
        .map(c =>
          h(
            "tr",
            {},
            h("td", {}, h("strong", {}, c.subject || "not admitted yet"), h(".soft.mono", {}, c.id)),
            h("td.num.soft", {}, c.since ? ago(Date.now() - c.since) : "–"),
            h(
              "td",
              {},
              c.subscriptions.length
                ? [
                    c.subscriptions.slice(0, 8).map(watched),
                    c.subscriptions.length > 8 && h("span.soft", {}, `and ${c.subscriptions.length - 8} more`),
                  ]
                : h("span.soft", {}, "nothing"),
            ),
            h("td.num", {}, c.open ? cut(c) : h("span.tag.warn", {}, "row without a socket")),
          ),
        ),
    )
  }
  const ask = async () => {
    const answer = await get("connections")
    list = answer.connections
    more = answer.more
    draw()
  }
  main.append(
    head(
      "Connections",
      "Open WebSockets, and rows of connections whose end the service has not heard of. Cut one to see its client come back.",
    ),
    panel(
      "Connected",
      [count, find],
      table("Connected", ["Subject", ["th.num", "For"], "Watches", ["th.num", "Socket"]], rows),
      note,
    ),
  )
  every(2000, signal, ask)
}
