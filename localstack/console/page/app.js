// The frame of the page: which view is shown, its keys, and who the console is.
import { h, fill, say, dollars, many, seldom } from "./dom.js"
import { get, every } from "./api.js"
import { bus, client, me, about, become, narrowed, expired, httpURL } from "./session.js"
import { topics } from "./topics.js"
import { topic } from "./topic.js"
import { frames } from "./frames.js"
import { connections } from "./connections.js"
import { destinations } from "./destinations.js"
import { costs } from "./costs.js"
import { faults } from "./faults.js"
import { token } from "./token.js"

const views = [
  ["topics", "Topics", topics, "t"],
  ["frames", "Frames", frames, "f"],
  ["connections", "Connections", connections, "c"],
  ["destinations", "Destinations", destinations, "d"],
  ["costs", "Costs", costs, "u"],
  ["faults", "Faults", faults, "x"],
  ["token", "Tokens", token, "k"],
]
const main = document.getElementById("main"),
  nav = document.getElementById("nav")
const counts = Object.fromEntries(views.map(([name]) => [name, h("span.count.num")]))
const links = Object.fromEntries(
  views.map(([name, title]) => [name, h("a", { href: `#/${name}` }, title, counts[name])]),
)
fill(
  nav,
  Object.values(links),
  h(".gap", {}, "Elsewhere"),
  about.examples.map(name =>
    h("a", { href: `/examples/${name}/` }, `${name[0].toUpperCase()}${name.slice(1)} example`),
  ),
  about.docs && h("a", { href: "/docs/" }, "Reference"),
  ["OpenAPI", "AsyncAPI"].map(name => h("a", { href: `${httpURL}/${name.toLowerCase()}.json` }, name)),
  h("a", { href: "/_localstack/webhooks" }, "Webhooks received"),
)

/** A part of the address, which somebody may have typed. */
const plain = part => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

let leave = new AbortController()
const show = () => {
  leave.abort()
  leave = new AbortController()
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/")
  const [key, title, view] =
    name === "topic" ? ["topics", rest.map(plain).join("/"), topic] : (views.find(v => v[0] === name) ?? views[0])
  for (const [of, link] of Object.entries(links))
    of === key ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")
  links[key]?.scrollIntoView({ block: "nearest", inline: "nearest" }) // on a phone
  document.title = `${title} · Watchroute`
  fill(main)
  view(main, leave.signal, title)
  scrollTo(0, 0)
}
addEventListener("hashchange", () => {
  show()
  main.focus()
})
bus.addEventListener("identity", show)

const state = document.getElementById("state")
const colors = { live: "good", behind: "warn", connecting: "warn", offline: "bad", closed: "bad" }
const tell = () => {
  state.textContent = client.state
  state.className = `pill ${colors[client.state]}`
  document.getElementById("who").textContent = me()
}
for (const name of ["state", "identity"]) bus.addEventListener(name, tell)

const look = async () => {
  const [bill, broken, who] = await Promise.all([get("costs"), get("faults"), get("connections")])
  document.getElementById("bill").textContent = dollars(bill.dollars)
  counts.faults.textContent = broken.kinds.filter(k => k.rate > 0).length || ""
  counts.connections.textContent = many(who.connections.filter(c => c.open).length) + (who.more ? "+" : "")
}
const away = document.getElementById("away")
/** Says what keeps the page from showing what there is. */
const warn = answers => {
  const token =
    narrowed() &&
    (expired()
      ? `The token of ${me()} has expired.`
      : client.state === "offline"
        ? `The stack answers, but this page is offline: it may refuse the token of ${me()}.`
        : "")
  const key = answers ? token || "" : "away"
  if (away.dataset.key === key) return
  away.dataset.key = key
  away.hidden = !key
  fill(
    away,
    answers
      ? [
          token,
          " ",
          h(
            "button.small",
            { type: "button", onclick: () => become("") },
            about.anonymous ? "Be anonymous again" : "Be the console again",
          ),
        ]
      : ["The stack does not answer. This page goes on by itself when it runs again: ", h("code", {}, "make local")],
  )
}
every(3000, new AbortController().signal, () =>
  look().then(
    () => warn(true),
    () => warn(false),
  ),
)
bus.addEventListener("identity", () => warn(true))
bus.addEventListener(
  "state",
  seldom(() => look().catch(() => {}), 300),
) // this page is connected now, or is not

const dialog = document.getElementById("keys")
fill(
  dialog,
  h("h2", { id: "keys-title" }, "Keyboard"),
  h(
    "dl",
    {},
    views.map(([, title, , key]) => [h("dt", {}, h("kbd", {}, "g"), " ", h("kbd", {}, key)), h("dd", {}, title)]),
    h("dt", {}, h("kbd", {}, "/")),
    h("dd", {}, "Find in this view"),
    h("dt", {}, h("kbd", {}, "←"), " ", h("kbd", {}, "→")),
    h("dd", {}, "Choose a tab, or move in time"),
    h("dt", {}, h("kbd", {}, "?")),
    h("dd", {}, "This list"),
  ),
  h("form", { method: "dialog" }, h("button.primary", { type: "button", onclick: () => dialog.close() }, "Close")),
)
document.getElementById("help").onclick = () => dialog.showModal()
let going = 0
addEventListener("keydown", e => {
  if (e.target.closest?.("input, textarea, select, dialog") || e.ctrlKey || e.metaKey || e.altKey) return
  if (e.key === "?") return dialog.showModal()
  if (e.key === "/") {
    const find = main.querySelector("input[type=search]")
    if (find) {
      e.preventDefault()
      find.focus()
    }
    return
  }
  if (e.key === "g") {
    going = Date.now()
    return
  }
  const view = Date.now() - going < 1500 && views.find(v => v[3] === e.key)
  if (view) location.hash = `#/${view[0]}`
})
addEventListener("unhandledrejection", e => {
  say(String(e.reason?.message ?? e.reason))
  e.preventDefault()
})
tell()
show()
