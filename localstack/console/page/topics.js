// What topics there are, how fast they change, and the first minute.
import { h, fill, panel, head, many, ago, say, copyable, seldom } from "./dom.js"
import { get, every } from "./api.js"
import { client, about, topicURL, wscat } from "./session.js"

const mostShown = 200
const address = topic => "#/topic/" + topic.split("/").map(encodeURIComponent).join("/")
const columns = [
  ["topic", "Topic", t => t.topic],
  ["rate", "Changes/s", t => t.rate],
  ["seq", "Last seq", t => t.seq],
  ["items", "Items", t => t.items],
  ["watchers", "Watchers", t => t.watchers],
  ["changed", "Changed", t => t.changed ?? 0],
]
const less = new Set(["items", "changed"]) // what a narrow screen leaves out
const before = new Map() // seq and time of each topic when it was asked for last

export const topics = (main, signal) => {
  let list = [],
    more = false,
    by = "topic",
    down = false,
    shown = mostShown
  const find = h("input", {
    type: "search",
    placeholder: "Find topics",
    "aria-label": "Find topics",
    oninput: () => {
      shown = mostShown
      draw()
    },
  })
  const heads = columns.map(([key, title]) =>
    h(
      key === "topic" ? "th" : `th.num${less.has(key) ? ".wide" : ""}`,
      { scope: "col" },
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            down = by === key ? !down : key !== "topic"
            by = key
            draw()
          },
        },
        title,
      ),
    ),
  )
  const rows = h("tbody"),
    note = h("p.empty"),
    table = h(
      ".scroll",
      { tabIndex: 0, role: "region", "aria-label": "Topics" },
      h("table", {}, h("thead", {}, h("tr", {}, heads)), rows),
    )
  const first = h(".welcome-place"),
    count = h("span.soft.num", { role: "status" })
  const open = h(
    "form.row",
    {
      onsubmit: e => {
        e.preventDefault()
        const name = e.target.elements.name.value.trim()
        if (name) location.hash = address(name)
      },
    },
    h("input", {
      name: "name",
      placeholder: "stocks/AAPL or stocks/*",
      "aria-label": "Topic or pattern to watch",
      autocomplete: "off",
      spellcheck: "false",
    }),
    h("button", {}, "Watch"),
  )
  const all = panel("Topics", [count, find], table, note)
  main.append(head("Topics", "A topic is a numbered series of changes. Choose one to watch it live.", open), first, all)
  const drawSoon = seldom(() => draw())

  const draw = () => {
    const text = find.value.toLowerCase(),
      value = columns.find(c => c[0] === by)[2]
    const found = list.filter(t => t.topic.toLowerCase().includes(text))
    found.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (down ? -1 : 1))
    heads.forEach((th, i) =>
      columns[i][0] === by
        ? th.setAttribute("aria-sort", down ? "descending" : "ascending")
        : th.removeAttribute("aria-sort"),
    )
    fill(
      rows,
      found
        .slice(0, shown)
        .map(t =>
          h(
            "tr",
            {},
            h(
              "td.name",
              {},
              h("a", { href: address(t.topic) }, h("bdi", {}, t.topic)),
              t.refused && h("div.bad", {}, `Not the name of a topic, so nobody gets its changes: ${t.refused}`),
            ),
            h("td.num", {}, t.rate ? many(t.rate) : h("span.soft", {}, "–")),
            h("td.num", {}, many(t.seq)),
            h("td.num.wide", {}, many(t.items)),
            h("td.num", {}, many(t.watchers)),
            h("td.num.soft.wide", {}, t.changed ? ago(Date.now() - t.changed) : "–"),
          ),
        ),
    )
    count.textContent = `${many(list.length)}${more ? "+" : ""}`
    fill(
      note,
      found.length > shown
        ? [
            `${many(found.length - shown)} more. `,
            h(
              "button.small",
              {
                type: "button",
                onclick: () => {
                  shown += mostShown
                  draw()
                },
              },
              "Show more",
            ),
          ]
        : list.length && !found.length
          ? "No topic has this in its name."
          : undefined,
    )
    note.hidden = !note.childNodes.length
    all.hidden = !list.length
  }

  const ask = async () => {
    const answer = await get("topics")
    for (const t of answer.topics) {
      const old = before.get(t.topic),
        seconds = old && (answer.at - old.at) / 1000
      t.rate = old && old.epoch === t.epoch && seconds > 0 ? (t.seq - old.seq) / seconds : 0
      t.changed = old && old.seq === t.seq ? old.changed : old ? answer.at : undefined
      before.set(t.topic, { seq: t.seq, epoch: t.epoch, at: answer.at, changed: t.changed })
    }
    if (before.size > 20_000) before.clear()
    list = answer.topics
    more = answer.more
    if (!list.length && !first.childNodes.length) first.append(welcome(signal))
    drawSoon()
  }
  every(() => (list.length > 1000 ? 4000 : 1500), signal, ask)
}

/** The first minute: one button, and the change arrives. */
const welcome = signal => {
  const arrived = h("div", { role: "status" }),
    stop = new AbortController()
  signal.addEventListener("abort", () => stop.abort())
  const listen = async () => {
    for await (const { change } of client.watch("stocks/AAPL", { signal: stop.signal })) {
      if (!change) continue
      fill(
        arrived,
        h(
          ".arrival",
          {},
          h("strong", {}, `Change ${change.seq} arrived: ${change.id} was ${change.op}.`),
          h("code", {}, JSON.stringify(change.data ?? {})),
          h("span", {}, h("a", { href: address("stocks/AAPL") }, "Watch stocks/AAPL live →")),
        ),
      )
    }
  }
  listen().catch(() => {})
  const put = h(
    "button.primary",
    {
      type: "button",
      onclick: async () => {
        put.disabled = true
        try {
          await client.publish("stocks/AAPL", {
            id: "quote",
            data: { price: Math.round(15000 + Math.random() * 500) / 100 },
          })
        } catch (error) {
          say(error.message)
        }
        put.textContent = "Put another price"
        put.disabled = false
      },
    },
    "Put a first item",
  )
  return h(
    "section.panel.welcome",
    { "aria-label": "Welcome" },
    h(
      ".body",
      {},
      h("h2", {}, "It runs. See a change arrive."),
      h(
        "p.soft",
        {},
        "This page watches ",
        h("code", {}, "stocks/AAPL"),
        " over a WebSocket, like any client. Put an item into the table, and the change comes back here, numbered.",
      ),
      h(
        ".row",
        {},
        put,
        about.examples.map(name => h("a.button", { href: `/examples/${name}/` }, `Open the ${name} example`)),
      ),
      arrived,
      copyable("The same in a terminal: watch", wscat({ action: "subscribe", id: "q1", topic: "stocks/AAPL" })),
      about.http &&
        copyable(
          "And put an item",
          `curl ${topicURL("stocks/AAPL")} -H 'Content-Type: application/json' \\\n  -d '{"id":"quote","data":{"price":150.75}}'`,
        ),
      h(
        "p.soft",
        {},
        "README.md and events/README.md in the repository say more: patterns, filters, cursors, HTTP, webhooks.",
      ),
    ),
  )
}
