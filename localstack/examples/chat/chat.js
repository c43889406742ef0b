// Draws the rooms. Text is never put into HTML: names and messages may be anything.
import { WatchClient } from "/browser/watchroute.js"
import { claimOf, newPerson, remember, remembered, rooms, tokenFor, topicOf } from "./person.js"
import { Room } from "./room.js"

const $ = id => document.getElementById(id)

/** Makes an element. */
const el = (tag, className, ...content) => {
  const e = document.createElement(tag)
  if (className) e.className = className
  e.append(...content)
  return e
}

const states = {
  connecting: "Connecting …", live: "Live", behind: "Catching up …",
  offline: "Offline. Messages are sent later.", closed: "Closed. Load the page again.",
}

let client, person, all = new Map(), open

function enter(who) {
  person = who
  remember(person)
  $("enter").hidden = true
  $("chat").hidden = false
  $("me").firstElementChild.textContent = person.name
  client = new WatchClient(`${location.protocol.replace("http", "ws")}//${location.host}/live`, { token: () => tokenFor(person) })
  client.addEventListener("state", state)
  state()
  let signed, until = 0 // a token for reading over HTTP, which is renewed before it expires
  const token = () => Date.now() < until ? signed : (until = Date.now() + 3_000_000, signed = tokenFor(person).catch(error => { until = 0; throw error }))
  all = new Map(rooms.map(room => {
    const one = new Room({ client, token, person, topic: topicOf(room), name: room.name })
    Object.assign(one, { about: room.about, locked: !claimOf(person).allow[0].topics.includes(topicOf(room)) })
    one.addEventListener("change", () => soon())
    one.addEventListener("said", e => { if (e.detail.from !== person.sub && (one !== open || document.hidden)) one.unread++ })
    return [room.id, one]
  }))
  turn()
  for (const one of all.values()) if (one !== open && !one.locked) one.follow(false)
}

function state() {
  $("state").textContent = states[client.state]
  $("state").className = client.state
}

/** Goes into the room that the address names. */
function turn() {
  if (!client) return
  const next = all.get(location.hash.slice(1)) ?? all.get(rooms[0].id)
  if (next === open) return
  if (open && !open.locked) { open.stopTyping(); open.follow(false) }
  open = next
  open.unread = 0
  open.locked ? open.knock() : open.follow(true)
  $("log").replaceChildren()
  drawn.clear()
  stuck = true
  showPeople(false)
  draw()
  if (matchMedia("(hover: hover)").matches) $("text").focus()
}
addEventListener("hashchange", turn)

// Drawing. All changes of a moment are drawn together.

let waits = false
function soon() {
  if (waits) return
  waits = true
  setTimeout(() => { waits = false; draw() })
}

const drawn = new Map() // elements of the log, by id
let stuck = true // the log follows what is new

function draw() {
  drawRooms()
  const unread = [...all.values()].reduce((sum, one) => sum + one.unread, 0)
  document.title = `${unread ? `(${unread}) ` : ""}${open.name} · Chat`
  $("head").querySelector("h1").textContent = open.name
  $("head").querySelector("p").textContent = open.about
  $("compose").hidden = $("who").hidden = !!open.error || open.locked
  drawLog()
  drawPeople()
  const types = [...open.typing.values()]
  $("typing").textContent = types.length === 0 ? "" : types.length > 3 ? `${types.length} people are typing …` : `${new Intl.ListFormat("en").format(types)} ${types.length > 1 ? "are" : "is"} typing …`
}

function drawRooms() {
  const links = rooms.map(({ id }) => {
    const one = all.get(id), link = el("a", one.locked ? "locked" : "", el("span", "", one.name))
    link.href = "#" + id
    if (one === open) link.setAttribute("aria-current", "page")
    if (one.locked) link.append(el("span", "hidden", ", not for you"))
    if (one.unread) link.append(el("b", "", String(one.unread), el("span", "hidden", " new")))
    return link
  })
  if (links.map(l => l.outerHTML).join() !== [...$("rooms").children].map(l => l.outerHTML).join()) {
    const focused = [...$("rooms").children].indexOf(document.activeElement)
    $("rooms").replaceChildren(...links)
    links[focused]?.focus()
  }
}

function drawLog() {
  const log = $("log"), height = log.scrollHeight, top = log.scrollTop, oldest = log.firstElementChild
  const list = open.list(), wanted = new Set(list.map(m => m.id))
  for (const [id, { node }] of drawn) if (!wanted.has(id)) { node.remove(); drawn.delete(id) }
  let at = log.firstElementChild, before
  for (const m of list) {
    const first = m.notice || !before || before.notice || before.from !== m.from || m.at - before.at > 300_000
    const look = JSON.stringify([m, !!first])
    let have = drawn.get(m.id)
    if (have?.look !== look) {
      const node = m.notice ? notice(m) : message(m, first)
      if (have?.node === at) at = at.nextElementSibling
      have?.node.remove()
      drawn.set(m.id, have = { look, node })
    }
    if (have.node === at) at = at.nextElementSibling
    else log.insertBefore(have.node, at)
    before = m
  }
  const empty = open.error ? [`${open.error.code}: ${open.error.message}`, "Your token does not name this room. A moderator's does."] : !list.some(m => !m.notice) && open.here.ready && open.whole ? ["Nothing has been said here yet."] : []
  log.dataset.empty = String(empty.length > 0)
  log.querySelector(":scope > .empty")?.remove()
  if (empty.length) log.prepend(el("div", "empty", ...empty.map(line => el("p", "", line))))
  if (stuck) log.scrollTop = log.scrollHeight
  else if (oldest && oldest !== log.firstElementChild) log.scrollTop = top + log.scrollHeight - height // older ones came above
  $("down").hidden = stuck || list.length === 0
}

const notice = m => el("p", "notice", el("bdi", "", m.notice))

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hour12: false })
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false })

function message(m, first) {
  const article = el("article", (first ? "first" : "") + (m.sending ? " sending" : ""))
  if (first) {
    const by = el("p", "by", el("b", "", el("bdi", "", m.name)), ...m.from === person.sub ? [el("span", "soft", "you")] : [])
    article.append(avatar(m.from, m.name), by)
    if (m.at) {
      const time = by.appendChild(el("time", "soft", (Date.now() - m.at < 43_200_000 ? clock : day).format(m.at)))
      time.dateTime = new Date(m.at).toJSON()
    }
  }
  const said = m.hidden ? text(m.flag?.text) : m.text
  const body = el("p", m.hidden ? "text gone" : "text", m.hidden && !m.flag ? "A moderator has hidden this message." : said)
  body.dir = "auto"
  article.append(body)
  if (m.flag) article.append(el("p", "flag", `Hidden by ${text(m.flag.by)}: ${text(m.flag.reason)} `, button("Show again", () => open.unhide(m))))
  else if (person.moderator && !m.sending && !m.failed) article.append(button("Hide", () => ask(m), "hide", `Hide the message of ${m.name}`))
  if (m.sending) article.append(el("p", "flag", "Sending …"))
  if (m.failed) article.append(el("p", "flag bad", `Not sent: ${m.failed}`))
  return article
}

const text = value => typeof value === "string" ? value : ""

function button(label, act, className = "plain", spoken) {
  const b = el("button", className, label)
  b.type = "button"
  if (spoken) b.setAttribute("aria-label", spoken)
  b.addEventListener("click", () => act())
  return b
}

/** A circle with the first letter, in one of eight colours. */
function avatar(id, name) {
  const hue = [...id].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) >>> 0, 7) % 8
  const a = el("span", `avatar hue-${hue}`, [...name.trim()][0]?.toUpperCase() ?? "?")
  a.setAttribute("aria-hidden", "true")
  return a
}

function drawPeople() {
  const { members, count } = open.here
  $("people-title").textContent = count === 1 ? "1 person here" : `${count} people here`
  $("who").textContent = `${count} here`
  const look = JSON.stringify([members, count])
  if ($("people").dataset.look === look) return
  $("people").dataset.look = look
  $("people").querySelector("ul").replaceChildren(...members.map(m =>
    el("li", "", avatar(m.id, m.name), el("bdi", "", m.name), ...m.id === person.sub ? [el("span", "soft", "you")] : [])),
    ...count > members.length ? [el("li", "soft", "So many are counted, not named.")] : [])
}

// What a person does.

function showPeople(on) {
  $("people").classList.toggle("open", on)
  $("who").setAttribute("aria-expanded", String(on))
}
$("who").addEventListener("click", () => showPeople(!$("people").classList.contains("open")))
addEventListener("keydown", e => { if (e.key === "Escape") showPeople(false) })

$("log").addEventListener("scroll", async () => {
  const log = $("log"), room = open
  stuck = log.scrollHeight - log.scrollTop - log.clientHeight < 40
  $("down").hidden = stuck
  if (stuck) room.trim()
  if (log.scrollTop < 200) await room.older().catch(() => {}) // scrolling tries again
})
$("down").addEventListener("click", () => { $("log").scrollTop = $("log").scrollHeight })
new ResizeObserver(() => { if (stuck) $("log").scrollTop = $("log").scrollHeight }).observe($("log"))

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !open) return
  open.unread = 0
  draw()
})

$("text").addEventListener("keydown", e => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return
  e.preventDefault()
  $("compose").requestSubmit()
})
$("text").addEventListener("input", () => $("text").value.trim() ? open.startTyping() : open.stopTyping())
$("compose").addEventListener("submit", e => {
  e.preventDefault()
  const said = $("text").value.trim()
  if (!said) return
  $("text").value = ""
  stuck = true
  open.send(said)
})

function ask(m) {
  const dialog = $("hide")
  dialog.onclose = () => { if (dialog.returnValue === "hide") open.hide(m, $("reason").value) }
  dialog.returnValue = ""
  dialog.showModal()
}

$("door").addEventListener("submit", e => {
  e.preventDefault()
  const name = $("name").value.trim()
  if (name) enter(newPerson(name, $("moderator").checked))
})
$("out").addEventListener("click", () => {
  client.close()
  remember(null)
  location.reload()
})

const known = remembered()
if (known) enter(known)
else {
  $("enter").hidden = false
  $("name").focus()
}
