// Prices as they change. An EventSource watches the topics below stocks. Each has one item, `quote`.
const topic = new URLSearchParams(location.search).get("topic") ?? "stocks/*"
const rows = new Map()                                     // by topic
const $ = id => document.getElementById(id)
const say = (text, is) => { $("state").textContent = text; $("state").className = is }
const count = (id, n) => { $(id).textContent = Number($(id).textContent) + n }
const priced = (id, data) => id === "quote" && Number.isFinite(data?.price) // others may put other items here
const drop = of => { rows.get(of)?.remove(); rows.delete(of) }

// Each kind of event is a frame, as over a WebSocket.
const show = {
  snapshot({ topic: of, epoch, seq, items }) {             // the items, at first and after a reset
    for (const { id, data } of items) if (priced(id, data)) { row(of).draw(data); history(of, epoch, seq, data.open) }
    if (of === topic) setTimeout(() => { $("none").hidden = $("seen").textContent > 0 }, 1500) // this frame is the last
  },
  changes({ changes }) {
    for (const { topic: of, op, id, data, seq, to = seq } of changes) {
      if (op === "skipped") count("skipped", to - seq + 1) // conflation, which `latest` asks for
      else if (op === "removed") drop(of)
      else if (priced(id, data)) { row(of).draw(data); count("seen", 1) }
    }
    $("none").hidden = rows.size > 0
  },
  reset({ topic: of }) { for (const name of [...rows.keys()]) if (name === of || of === topic) drop(name) }, // the items follow
}

// The prices before are in the topic's log: the 60 changes that end at the cursor, as far as they are of this day.
async function history(of, epoch, seq, day) {
  const answer = await fetch(`/live/topics/${of}?after=${epoch}:${Math.max(0, seq - 60)}`, { headers: { Authorization: "Bearer " + bearer } })
  if (!answer.ok) return                                   // the log does not reach back so far
  const { changes } = await answer.json()
  rows.get(of)?.before(changes.filter(c => c.seq < seq && priced(c.id, c.data) && c.data.open === day).map(c => c.data.price))
}

// A row of the board. Text is never put into HTML, so a name can do no harm.
function row(of) {
  if (rows.has(of)) return rows.get(of)
  const li = document.createElement("li"), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  const [symbol, name, price, change] = ["symbol", "name", "price", "change"].map(c => Object.assign(document.createElement("span"), { className: c }))
  const [area, line] = ["polygon", "polyline"].map(shape => svg.appendChild(document.createElementNS(svg.namespaceURI, shape)))
  for (const [k, v] of Object.entries({ viewBox: "0 0 120 32", preserveAspectRatio: "none", "aria-hidden": "true" })) svg.setAttribute(k, v)
  li.append(symbol, name, svg, price, change)
  symbol.textContent = of.split("/").at(-1)
  $("board").insertBefore(li, [...$("board").children].find(other => other.firstChild.textContent > symbol.textContent) ?? null)
  let prices = []
  const spark = () => {
    prices = prices.slice(-60)
    const low = Math.min(...prices), range = Math.max(...prices) - low || 1
    const points = prices.map((p, i) => `${120 * i / (prices.length - 1 || 1)},${30 - 28 * (p - low) / range}`).join(" ")
    line.setAttribute("points", points)
    area.setAttribute("points", `0,32 ${points} 120,32`)
  }
  const draw = data => {
    const percent = 100 * (data.price / (data.open ?? data.price) - 1), moved = data.price !== prices.at(-1)
    name.textContent = data.name ?? ""
    price.textContent = data.price.toFixed(2)
    change.textContent = (percent < 0 ? "−" : "+") + Math.abs(percent).toFixed(2) + " %"
    li.className = percent < 0 ? "down" : "up"
    if (moved) price.animate([{ backgroundColor: "var(--flash)" }, {}], 700)
    prices.push(data.price)
    spark()
  }
  rows.set(of, { draw, remove: () => li.remove(), before: older => { prices.unshift(...older); spark() } })
  return rows.get(of)
}

// A token that may see prices only. The local stack signs it here; in production your back end does.
const sub = "ticker-" + crypto.getRandomValues(new Uint32Array(2)).join("-")
async function freshToken() {
  const claim = { v: 1, allow: [{ topics: [topic], actions: ["subscribe", "read"] }] }
  const headers = { "Content-Type": "application/json" }
  const answer = await fetch("/_localstack/token", { method: "POST", headers, body: JSON.stringify({ sub, claim }) })
  return (await answer.json()).token
}

// EventSource comes back by itself, but for an error of HTTP. Then another one goes on from the last id.
let place = "", pause = 500, bearer, away
const again = () => setTimeout(open, (pause = Math.min(2 * pause, 30_000)) * (1 - Math.random() / 2))
const lost = () => { away ??= setTimeout(say, 3000, "Away. Looking for the stack …", "away") } // streams end each minute, for a moment
async function open() {
  try {
    const url = new URL(`/live/topics/${topic}?snapshot=true&latest=true`, location.href)
    url.searchParams.set("token", bearer = await freshToken()) // an EventSource can send no header
    if (place) url.searchParams.set("last_event_id", place)
    const stream = new EventSource(url)
    for (const kind in show) stream.addEventListener(kind, e => { show[kind](JSON.parse(e.data)); place = e.lastEventId || place; pause = 500 })
    stream.addEventListener("open", () => { away = clearTimeout(away); say("Live", "live") })
    stream.addEventListener("error", e => {
      if (e.data) { stream.close(); return say(JSON.parse(e.data).message, "away") } // the service says why
      lost()
      if (stream.readyState === EventSource.CLOSED) again()
    })
  } catch { lost(); again() }                              // no token now
}
if (location.port !== "4566") $("make").textContent += ` ARGS="-url ${location.origin}"`
$("curl").textContent = `curl -N -H 'Accept: text/event-stream' '${location.origin}/live/topics/${topic}?snapshot=true&latest=true'`
open()
