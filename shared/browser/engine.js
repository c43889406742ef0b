// @ts-check

import { cursorOf, plausible } from "./order.js"
import { Attempt, whole } from "./watch.js"

/**
 * @typedef {import("./wire.d.ts").Error} ErrorFrame
 * @typedef {import("./watch.js").AnyWatch} AnyWatch
 *
 * @typedef {object} Options all of them, with their defaults
 * @property {(() => string | Promise<string>) | undefined} token
 * @property {number} pingInterval
 * @property {number} maxPingInterval
 * @property {number} holeTime
 * @property {number} answerTime
 * @property {number} maxBackoff
 * @property {number} buffer
 * @property {number} bufferBytes
 *
 * @typedef {object} Link a connection to the service over any transport
 * @property {(frame: Record<string, unknown>) => void} write sends a request, or loses it
 * @property {() => void} close ends the link without a further event
 *
 * @typedef {object} Events what a link tells
 * @property {(link: Link, frame: string) => void} frame a frame has come
 * @property {(link: Link, code: number) => void} closed the link has ended, with the close code of RFC 6455
 *
 * @typedef {(events: Events) => Promise<Link>} Dial makes a link, or fails if there may be one later
 *
 * @typedef {object} Publication
 * @property {Record<string, any>} frame
 * @property {Attempt} attempt
 * @property {(mark: string) => void} done
 * @property {(error: unknown) => void} failed
 *
 * @typedef {object} Request a frame that was sent and is to be answered
 * @property {Record<string, any>} frame
 * @property {number} since since when it was due
 * @property {number} sentAt
 * @property {number} deadline
 * @property {Attempt} [attempt] that it is; undefined of a ping, and if nobody waits for the answer any more
 * @property {AnyWatch} [watch] of a subscribe and a snapshot
 * @property {boolean} [subscribed] a subscribe was carried out, and a snapshot follows
 * @property {Departure} [departure] of an unsubscribe, and of a subscribe that nobody waits for any more
 * @property {Publication} [publication]
 * @property {AnyWatch[]} [of] the watches that a ping asks for
 * @property {boolean} [apart] a ping asks for what other answers left out
 *
 * @typedef {object} Departure a topic that nobody watches any more, on the connection in use
 * @property {string} topic
 * @property {Attempt} attempt to unsubscribe
 * @property {number} subscribes that were sent and are not answered
 * @property {boolean} doubtful a request was not answered in time, and may still be carried out
 */

/** What to do about an error, by its code; about any other, mend the request: the same fails again. See events.Code.Remedy. */
const remedies = /** @type {Record<string, "now" | "later" | "never">} */ ({
  token_expired: "now", not_connected: "now", revoked: "never",
  too_many_connections: "later", too_many_requests: "later", unavailable: "later", internal: "later",
})

const minute = 60_000
const firstBackoff = 500 // bounds the first pause after something failed
const retireTime = 10_000 // for which a replaced connection stays for what is under way on it
const lateAttempt = 3 // where back-off begins after a close that asks for it: up to 4 s
const renewPause = minute // for which warnings are passed over after the token was replaced
const unauthorizedTime = 2 * minute, unauthorizedAttempts = 5 // for which a token is refused, at least, before that is final
const longestMove = 120 * minute // bounds how long the service may put the move to another connection off
const sleepTime = 30_000 // after which a connection that was not heard of is not trusted on waking
const unpaced = 100 // requests a second that are as good as no bound
const pagesAtOnce = 8 // topics of a pattern whose items are asked for at once
const namesAtOnce = 200 // that a ping asks for: the answer has twice the room that they need

/**
 * Engine owns all state of a client. It takes in frames, calls and the passing of time, and after
 * each of them does whatever has become due. It is a function with variables, and not a class,
 * because their names can be shortened then.
 *
 * @param {Dial} dial
 * @param {Options} o
 * @param {(state: string) => void} told hears of each change of the state
 */
export const newEngine = (dial, o, told) => {
  let state = "connecting"
  let ended = false
  let suspended = false // the page is away
  const stats = { connections: 0, repeated: 0, holes: 0, resets: 0, dropped: 0 }

  let link = /** @type {Link | undefined} */ (undefined) // in use
  let retiring = /** @type {Link | undefined} */ (undefined) // the one that link has replaced
  let retireAt = 0 // when retiring is closed at the latest
  let since = 0 // when link was made
  let heard = 0 // when the last frame came over link

  let dials = 0
  let dialsAt = 0
  let isDialling = false
  let attempts = 0 // dials that failed and connections that did not last, in a row
  let dialAt = 0 // when to dial next, if there is no link
  let moveAt = 0 // when to replace link; 0 if it is not to be

  let pingAt = 0 // when the next regular ping is due
  let pingEvery = o.pingInterval
  let pingDue = 0 // since when one is due, while none is sent
  let lease = Infinity // of a presence that nobody renews
  let calm = false // since the last, no ping has failed, and nothing was missing

  let paceOpen = 0 // when the next request may be sent
  let rate = 0 // requests a second; 0 if they are not bounded
  let refusals = 0 // of requests "later", in a row
  let slowed = 0 // when the last pause began
  let sentLast = 0 // when the last request was sent

  let warned = false // the token of link expires
  let renewal = new Attempt() // to replace the token of link
  let unauthorized = 0 // connections whose token was refused, in a row
  let unauthorizedSince = 0

  let watches = /** @type {AnyWatch[]} */ ([]) // those of the topics of a pattern come after it
  let departures = /** @type {Departure[]} */ ([]) // from link
  let publications = /** @type {Publication[]} */ ([])
  const requests = /** @type {Map<string, Request>} */ (new Map()) // outstanding on link, by id
  let lastID = 0

  let timer = /** @type {any} */ (undefined)
  let timerAt = 0

  // Its life.

  /** Does something, and then what is due. @param {() => void} [command] */
  function turn(command) {
    if (!ended) command?.()
    const now = Date.now()
    if (!ended) act(now)
    if (ended) return
    tell(now)
    schedule(next(now))
  }

  /** @param {number} at */
  function schedule(at) {
    clearTimeout(timer)
    timerAt = at
    timer = setTimeout(() => turn(timerAt && Date.now() - timerAt > sleepTime ? awake : undefined), Math.max(0, at - Date.now()))
  }

  /** Ends everything; without an error, watches end as if they had come to their end. @param {unknown} [error] */
  function end(error) {
    if (ended) return
    ended = true
    clearTimeout(timer)
    for (const w of watches) w.queue.end(error)
    for (const p of publications) p.failed(error ?? new Error("client is closed"))
    retire()
    unlink()
    state = "closed"
    told("closed")
  }

  /** Closes the connection while the page is away, as an open one bars the back-forward cache. */
  function suspend() {
    if (suspended) return
    suspended = true
    retire()
    unlink()
  }

  /** Heals at once after the page was away, asleep or without a network. */
  function awake() {
    const now = Date.now()
    suspended = false
    if (!link) {
      dialAt = now
      if (isDialling && now - dialsAt > 1000) isDialling = false // it may be of a network that is gone
    } else if (now - heard > sleepTime) {
      moveAt = now
    } else {
      pingAt = now
    }
  }

  /** Tells in which state the client is, if that has changed. @param {number} now */
  function tell(now) {
    let is = "live"
    if (!link) is = isDialling || !suspended && now >= dialAt ? "connecting" : "offline"
    else if (!settled() || watches.some(w => w.lacks())) is = "behind"
    if (is !== state) told(state = is)
  }

  /** Does what is due. @param {number} now */
  function act(now) {
    connect(now)
    expire(now)
    returns()
    if (!link) return
    for (const w of watches) w.notice(now, o.holeTime)
    ask(now)
    renew(now)
    if (retiring && (settled() || now >= retireAt)) retire()
  }

  /** When something is due. @param {number} now */
  function next(now) {
    let at = now + 60 * minute
    const sooner = (/** @type {number} */ t) => { if (t && t < at) at = t }
    if (!link) {
      if (!isDialling && !suspended) sooner(dialAt)
      return at
    }
    if (!isDialling) sooner(moveAt)
    if (retiring) sooner(retireAt)
    for (const r of requests.values()) sooner(r.deadline)
    if (warned && !renewal.asked) sooner(renewal.notBefore)
    sooner(askAt(now))
    return at
  }

  // Connections.

  /** Dials if there is no connection, or if it is to be replaced. @param {number} now */
  function connect(now) {
    if (isDialling || suspended || !(link ? moveAt && now >= moveAt : now >= dialAt)) return
    isDialling = true
    dialsAt = now
    const n = ++dials
    const current = () => isDialling && n === dials && !ended
    dial(e).then(
      made => current() && !suspended ? turn(() => adopt(made)) : made.close(),
      () => { if (current()) turn(() => refused()) },
    )
  }

  /** Begins to use a new connection, on which everything is asked for anew. @param {Link} made */
  function adopt(made) {
    const now = Date.now()
    isDialling = false
    stats.connections++
    if (retiring) retire()
    if (link && lasted(now)) attempts = 0
    retiring = link
    retireAt = now + retireTime
    link = made
    since = heard = now
    moveAt = pingDue = 0
    pingAt = now + interval()
    forget()
  }

  /** Decides when to dial again. */
  function refused() {
    isDialling = false
    dialAt = Date.now() + pause()
    if (link) moveAt = dialAt // it is to be replaced, and still there
  }

  /** Gives the connection up and has another one dialled. @param {number} code the close code */
  function lose(code) {
    const now = Date.now(), hasLasted = lasted(now)
    unlink()
    if (hasLasted) attempts = 0
    if (code !== 1001 && code !== 1006) attempts = Math.max(attempts, lateAttempt) // others ask for it
    dialAt = now + pause()
  }

  function unlink() {
    link?.close()
    link = undefined
    moveAt = 0
    pingEvery = o.pingInterval
    calm = false
    forget()
  }

  /** Whether the connection has lasted at a time. Only then are pauses short again. @param {number} at */
  function lasted(at) { return at - since >= o.maxBackoff }

  /** The time before the next dial, later each time. */
  function pause() { return backoff(attempts++) }

  /** A random part of a time that doubles with each attempt. @param {number} attempt */
  function backoff(attempt) { return Math.random() * Math.min(firstBackoff * 2 ** Math.min(attempt, 16), o.maxBackoff) }

  /** Has the connection in use be replaced after a delay; one that has not lasted by then later. @param {number} delay */
  function move(delay) {
    if (moveAt) return
    moveAt = Date.now() + delay
    if (!lasted(moveAt)) moveAt += pause()
  }

  function retire() {
    retiring?.close()
    retiring = undefined
  }

  /** Drops what was asked on a connection that is not used any more. */
  function forget() {
    requests.clear()
    departures = []
    warned = false
    renewal = new Attempt()
    for (const w of watches) w.forget()
    for (const p of publications) p.attempt = new Attempt()
  }

  /** Whether all watches are subscribed on the connection in use. */
  function settled() { return watches.every(w => w.joined) }

  /** A connection whose token is not valid: the service may know a new key late, so it is tried for a while. @param {ErrorFrame} f */
  function unauthorize(f) {
    const now = Date.now()
    if (!unauthorized++) unauthorizedSince = now
    if (!o.token || unauthorized >= unauthorizedAttempts && now - unauthorizedSince >= unauthorizedTime) return end(new WatchError(f))
    lose(1006)
  }

  // Frames.

  /** Takes in a frame. Changes count whichever link they came over; what concerns one that is not in use does not. @param {Link} over @param {string} data */
  function frame(over, data) {
    turn(() => {
      const current = over === link
      if (current) heard = Date.now()
      let f
      try {
        f = JSON.parse(data, exactly)
      } catch {
        return
      }
      if (current && !f?.type && f?.message) { // API Gateway's own error: one of the requests has failed, and it does not say which
        slow(sentLast)
        const soon = Date.now() + backoff(1)
        for (const r of requests.values()) r.deadline = Math.min(r.deadline, soon)
      }
      const r = requests.get(f?.id), to = answers[f?.type]
      if (!f?.type || r && to && !to.includes(r.frame.action)) return
      if (current) concern(f)
      if (!ended) content[f.type]?.(f)
    })
  }

  /** @param {Link} over @param {number} code */
  function closed(over, code) {
    if (over === link) turn(() => lose(code))
  }

  /** Takes in what is said of the connection in use. @param {any} f */
  function concern(f) {
    if (f.type === "error") failed(f)
    if (f.type === "unsubscribed") unsubscribed(f)
    if (f.type === "reconnect") move(Math.min(Math.max(+f.delayMs || 0, 0), longestMove))
    if (f.type === "expiring") {
      warned ||= renewal.due(Date.now())
      alert() // if the token is not replaced, the next warning is not to be late
    }
  }

  /** Takes in what counts whichever link it came over, by its type. */
  const content = /** @type {Record<string, (f: any) => void>} */ ({
    __proto__: /** @type {any} */ (null), changes, subscribed, snapshot, reset, authorized, pong,
    published: f => {
      const p = answered(f.id)?.publication
      if (p) conclude(p).done(f.mark || "")
    },
  })

  /** @param {any} f */
  function changes(f) {
    for (const c of f.changes) {
      if (!plausible(c)) continue
      for (const w of watches) { // a pattern may add one
        const became = w.offer(c)
        if (became) stats[became]++
      }
    }
    pumpAll()
  }

  function pumpAll() {
    for (const w of watches) if (!w.pattern) w.pump()
  }

  /** Takes in that a watch is subscribed. Where a snapshot is due, the request stays outstanding until the last page. @param {any} f */
  function subscribed(f) {
    const r = requests.get(f.id)
    if (!r) return
    r.subscribed = true
    if (f.presence) {
      lease = f.presence.leaseMs
      pingAt = Math.min(pingAt, Date.now() + interval())
    }
    if (!r.watch || r.watch.subscribed(f, r.frame)) answered(f.id)
    if (r.departure) left(r)
    r.watch?.pump()
  }

  /** Takes in that a subscription has ended, which somebody asked for if there is no reason. @param {any} f */
  function unsubscribed(f) {
    if (!f.reason) {
      const r = answered(f.id)
      return r?.departure && left(r)
    }
    const error = new WatchError({ code: f.reason, message: "ended", topic: f.topic })
    for (const w of watches.filter(w => !w.pattern && w.topic === f.topic)) {
      remove(w)
      w.queue.end(error)
    }
  }

  /** Takes in that what a watch misses cannot be told. @param {any} f */
  function reset(f) {
    const r = requests.get(f.id)
    if (r?.watch) {
      r.watch.reason = f.reason
      r.watch.bookmark = ""
    } else if (r) {
      for (const w of watches) if (w.topic === f.topic && w.joined && w.place() === r.frame.cursors?.[f.topic]) w.reset(f.reason)
    }
  }

  /** Hands a page on if it is the one that is due. One that comes after a lost one, or finds no room, is asked for again. @param {any} f */
  function snapshot(f) {
    const r = requests.get(f.id)
    if (!r?.watch) return
    r.deadline = Date.now() + o.answerTime
    const w = r.watch.awaits(f.topic)
    if (w && (f.from || "") === w.bookmark) {
      const again = w.greeted || w.o.after
      w.starved = !w.turnPage(f)
      if (again && !f.from && !w.starved) stats.resets++
    }
    if (!f.more && f.topic === r.frame.topic) {
      answered(f.id)
      if (!r.watch.joined) r.watch.attempt.retry(e) // where the topics of a pattern stand was lost
    }
    w?.pump()
  }

  /** Takes in the service's word that a request was not carried out, or that the connection ends. @param {ErrorFrame} f */
  function failed(f) {
    const remedy = remedies[f.code], now = Date.now(), id = f.id || "", r = requests.get(id)
    requests.delete(id)
    if (remedy === "later") slow(r ? r.sentAt : sentLast)
    const of = r && ownerOf(r)
    if (remedy === "never") return end(new WatchError(f))
    if (remedy === "now") return lose(1006)
    if (!r) return
    const isAuth = r.frame.action === "auth"
    if (f.code === "bad_token" && !isAuth) return unauthorize(f) // of the connection: pages are let in and told then
    if (f.code === "too_many_connections") return lose(1008)
    if (r.departure) return left(r, remedy)
    if (f.code === "overtaken" && r.publication) return conclude(r.publication).done("") // the item is as a later call wants it
    if (f.code === "overtaken" && of) return again(r)
    if (remedy === "later" || !of && !r.publication) {
      if (isAuth && remedy !== "later") warned = false // until the next warning, as the next token may be no better
      return again(r)
    }
    if (f.code === "bad_cursor" && r.frame.action === "snapshot" && r.watch) { // it cannot go on from there
      r.watch.bookmark = ""
      return again(r)
    }
    if (of) {
      leave(of) // which is subscribed if only its snapshot was refused
      return of.queue.end(new WatchError(f))
    }
    if (r.publication) conclude(r.publication).failed(new WatchError(f))
  }

  // Requests.

  /** Sends what is due, as far as the pace allows it: what has waited longest comes first. @param {number} now */
  function ask(now) {
    if (now < paceOpen) return
    beginRound(now)
    for (const r of [...open().filter(r => r.since <= now), ...pings(now)].sort((a, b) => a.since - b.since)) {
      if (now < paceOpen) return
      send(r, now)
    }
  }

  /** When something is due that may be sent then. @param {number} now */
  function askAt(now) {
    const at = [...open().map(r => r.since), ...watches.map(w => w.pingAt() || Infinity)]
    return Math.max(Math.min(pingDue || pingAt, ...at), paceOpen, now)
  }

  /**
   * What there is to ask for besides pings, and since when, or from when on. Of two requests that must
   * not overtake each other it has the one that comes first.
   * @returns {Request[]}
   */
  function open() {
    const all = /** @type {Request[]} */ ([])
    const add = (/** @type {Record<string, any> | undefined} */ frame, /** @type {Attempt} */ attempt, /** @type {Partial<Request>} */ of) => {
      if (frame && !attempt.asked) all.push(request(frame, attempt.notBefore, { attempt, ...of }))
    }
    for (const d of departures) if (!d.subscribes) add({ action: "unsubscribe", topic: d.topic }, d.attempt, { departure: d })
    for (const w of watches) add(w.request(), w.attempt, { watch: w })
    for (const p of publications) add(p.frame, p.attempt, { publication: p })

    const busy = new Set(departures.map(d => d.topic)), pages = new Map()
    const inTurn = (/** @type {Request} */ r) => {
      const f = r.watch?.pattern, n = pages.get(f) ?? 0
      pages.set(f, n + 1)
      return (!f || n < pagesAtOnce) && (r.frame.action !== "subscribe" || r.subscribed || !busy.has(r.frame.topic) && !!busy.add(r.frame.topic))
    }
    for (const r of requests.values()) inTurn(r)
    return all.sort((a, b) => a.since - b.since).filter(inTurn)
  }

  /** Writes a request and notes that it is outstanding. @param {Request} r @param {number} now */
  function send(r, now) {
    const id = String(++lastID)
    r.frame = { ...r.frame, id, order: r.frame.order ?? lastID }
    r.sentAt = now
    r.deadline = now + o.answerTime
    if (r.attempt) r.attempt.asked = true
    if (r.of) pinged(r, r.of)
    sentLast = now
    if (rate) paceOpen = now + 1000 / rate
    requests.set(id, r)
    link?.write(r.frame)
  }

  /** Takes a request off the outstanding ones; undefined if it is not among them. @param {string} id */
  function answered(id) {
    const r = requests.get(id)
    if (!r) return
    requests.delete(id)
    unauthorized = 0
    ease(r.sentAt)
    r.attempt?.done()
    return r
  }

  /**
   * Gives up on requests whose time has passed. If nothing at all was heard since one of them was
   * sent, the connection is dead.
   * @param {number} now
   */
  function expire(now) {
    for (const [id, r] of requests) {
      if (now < r.deadline) continue
      if (heard <= r.sentAt) return lose(1006)
      requests.delete(id)
      if (!r.departure) again(r)
      else { // it may still be carried out, so the departure does not end on this connection
        r.departure.doubtful = true
        if (r.frame.action === "subscribe") r.departure.subscribes--
      }
    }
  }

  /** Has a request that failed be asked once more, after a pause. @param {Request} r */
  function again(r) {
    if (r.of) unanswered(r, r.of)
    else r.attempt?.retry(e, true)
  }

  // The pace of requests. After the service has asked for one later, the client pauses, for longer after
  // each refusal in a row. Then it sends one request a second, and one a second more for each that is
  // answered. That holds for all requests.

  /** Takes in that a request was asked for later. @param {number} sent when it was sent */
  function slow(sent) {
    if (rate && sent <= slowed) return
    rate = 1
    slowed = Date.now()
    paceOpen = slowed + backoff(refusals++)
  }

  /** Takes in that a request was answered. @param {number} sent when it was sent */
  function ease(sent) {
    if (!rate || sent <= slowed) return
    refusals = 0
    if (++rate >= unpaced) rate = paceOpen = 0
  }

  // Pings.

  /** Has every topic named by a ping, if it is time for a regular one. @param {number} now */
  function beginRound(now) {
    if (now < pingAt) return
    if (calm) pingEvery = Math.min(pingEvery * 1.5, o.maxPingInterval)
    calm = true
    pingDue = now
    pingAt = now + interval()
    for (const w of watches) if (w.following() && !w.probe.ping) w.probe.due = now
  }

  /** The time to the next regular ping, a little different each time. Three are in a lease, so one may be lost. */
  function interval() { return Math.min(pingEvery, lease * 0.3) * (1 - Math.random() / 10) }

  /** Brings the interval of regular pings back, because something was missing. */
  function alert() {
    calm = false
    if (pingEvery === o.pingInterval) return
    pingEvery = o.pingInterval
    pingAt = Math.min(pingAt, Date.now() + interval())
  }

  /** The pings that are due, as few as can be. One that is to keep the connection alive asks for nothing if there is nothing to ask for. @param {number} now */
  function pings(now) {
    const all = /** @type {Request[]} */ ([])
    const inquire = (/** @type {AnyWatch} */ w) => {
      const due = w.pingAt(), at = w.place()
      if (!due || now < due) return
      const apart = w.probe.apart()
      let r = all.filter(r => r.apart === apart).at(-1)
      if (!r || Object.keys(r.frame.cursors).length >= namesAtOnce) all.push(r = ping(due, apart))
      const { cursors } = r.frame, before = cursorOf(cursors[w.topic])
      r.since = Math.min(r.since, due)
      r.of?.push(w)
      if (!before || (cursorOf(at)?.seq ?? 0) < before.seq) cursors[w.topic] = at // from the one that stands furthest back
    }
    for (const w of watches) if (!w.pattern) [w, ...w.members()].forEach(inquire) // one answer names a topic once for both
    if (!all.length && pingDue) all.push(ping(pingDue, false))
    return all
  }

  /** @param {Request} r @param {AnyWatch[]} of */
  function pinged(r, of) {
    pingDue = 0
    for (const w of of) {
      if (w.behind()) {
        stats.holes++
        alert()
      }
      w.probe.sent(r, w.place())
    }
  }

  /**
   * Takes in where the topics stand. What it leaves out is not subscribed any more, or had no room in
   * it. What it left out for want of room is asked for again, unless it told nothing at all: the same
   * question would get the same answer.
   * @param {any} f
   */
  function pong(f) {
    const r = answered(f.id), of = r?.of
    if (!of) return
    const vain = of.filter(w => w.probe.over(r) && w.following() && !w.learn(f, r.frame.cursors[w.topic]))
    if (vain.length < of.length || vain.some(w => w.behind())) postpone(vain)
  }

  /** Takes in that a ping has failed. It is not repeated before the next regular one, but for what is missing. @param {Request} r @param {AnyWatch[]} of */
  function unanswered(r, of) {
    calm = false
    postpone(of.filter(w => w.probe.over(r) && w.behind()))
  }

  /** Has what a ping asked for in vain be asked for again after a pause, the same for all of it. @param {AnyWatch[]} vain */
  function postpone(vain) {
    const at = Date.now() + o.holeTime + backoff(Math.max(0, ...vain.map(w => w.probe.failures)))
    for (const { probe } of vain) {
      probe.at = at
      probe.failures++
    }
  }

  // Tokens.

  /** Replaces the token of the connection in use, if the service has warned that it expires. @param {number} now */
  function renew(now) {
    if (!warned || !o.token || !renewal.due(now)) return
    renewal.asked = true
    const over = link, asked = renewal
    fetchToken(o).then(
      token => over === link && turn(() => send(request({ action: "auth", token }, 0, { attempt: asked }), Date.now())),
      () => over === link && turn(() => asked.retry(e, true)),
    )
  }

  /** Takes in that the token counts. Watches of which it shows something else, or nothing, subscribe again. @param {any} f */
  function authorized(f) {
    if (!answered(f.id)) return
    warned = false
    renewal.notBefore = Date.now() + renewPause
    const same = (/** @type {AnyWatch} */ w) => w.topic in (f.views ?? {}) && (f.views[w.topic] || whole) === w.view
    for (const w of watches) w.joined &&= !!w.pattern || same(w)
  }

  // Watching and publishing.

  /** Begins a watch, unless another of its topic shows something else. @template {AnyWatch} W @param {W} w */
  function watch(w) {
    const topic = w.topic
    if (watches.some(other => (w.meets(other) || other.meets(w)) && (JSON.stringify(other.shows) !== JSON.stringify(w.shows) || other.topic === topic && !other.pattern && other.o.presence?.name !== w.o.presence?.name))) {
      throw new WatchError({ code: "other_view", message: "topic is watched with other options", topic })
    }
    turn(() => add(w))
    return w
  }

  /** @param {AnyWatch} w */
  function add(w) { watches.push(w) }

  /**
   * Ends a watch, and begins a departure if nothing else needs its subscription. The service may carry
   * out requests in any order and late. So the client unsubscribes only when no subscribe is under way,
   * and subscribes again only when the service has answered. A request that was not answered may still
   * be carried out: if the topic is wanted again, only another connection is certain.
   * @param {AnyWatch} w
   */
  function leave(w) {
    if (!watches.includes(w)) return
    const asked = remove(w), { topic } = w
    if (!link || wanted(topic)) return
    let d = departures.find(d => d.topic === topic)
    if (!d) departures.push(d = { topic, attempt: new Attempt(), subscribes: 0, doubtful: false })
    for (const [id, r] of asked) {
      if (r.frame.action !== "subscribe" || r.subscribed) continue
      requests.set(id, { ...r, watch: undefined, attempt: undefined, departure: d })
      d.subscribes++
    }
  }

  /** Forgets a watch, and gives what it has asked for. @param {AnyWatch} w */
  function remove(w) {
    watches = watches.filter(o => o !== w && o.pattern !== w)
    return withdraw(r => ownerOf(r) === w)
  }

  /** Forgets outstanding requests, and gives them. @param {(r: Request) => boolean} which */
  function withdraw(which) {
    const those = [...requests].filter(([, r]) => which(r))
    for (const [id] of those) requests.delete(id)
    return those
  }

  /** Whether somebody watches a topic or pattern that is to be subscribed to. @param {string} topic */
  function wanted(topic) { return watches.some(w => w.topic === topic && !w.pattern) }

  /** Drops departures from what is watched again and was not left yet. It gives up a connection of which it is not certain what is subscribed. */
  function returns() {
    const back = departures.filter(d => wanted(d.topic))
    departures = departures.filter(d => !back.includes(d) || d.subscribes || d.attempt.asked)
    if (back.some(d => d.doubtful)) lose(1006)
  }

  /** Takes in how a request of a departure has ended. @param {Request} r @param {string} [remedy] */
  function left(r, remedy) {
    const d = /** @type {Departure} */ (r.departure)
    if (r.frame.action === "subscribe") d.subscribes--
    else if (remedy === "later") d.attempt.retry(e, true)
    else if (d.doubtful) d.attempt.asked = true // and is not asked again
    else departures = departures.filter(o => o !== d)
  }

  /** Takes a publication over. Its order is that of the calls: whenever it is sent again, it does not count more than what was published since. @param {Record<string, any>} frame @returns {Promise<string>} */
  function publish(frame) {
    return new Promise((done, failed) => {
      turn(() => publications.push({ frame: { ...frame, order: ++lastID }, attempt: new Attempt(), done, failed }))
      if (ended) failed(new Error("client is closed"))
    })
  }

  /** Forgets a publication, whose caller is to be answered. @param {Publication} p */
  function conclude(p) {
    publications = publications.filter(o => o !== p)
    withdraw(r => r.publication === p)
    return p
  }

  const e = {
    o, stats, turn, end, frame, closed, watch, publish, backoff, alert, add,
    suspend: () => turn(suspend), awake: () => turn(awake), leave: (/** @type {AnyWatch} */ w) => turn(() => leave(w)),
  }
  schedule(0)
  return e
}

/**
 * DynamoDB's numbers have 38 digits. What JavaScript cannot hold stays text, where the platform shows the source.
 * @param {string} _ @param {unknown} value @param {{source?: string}} [context]
 */
export const exactly = (_, value, context) => typeof value === "number" && context?.source && String(value) !== context.source ? context.source : value

/** The requests that frames answer, by their type. */
const answers = /** @type {Record<string, string[]>} */ ({
  subscribed: ["subscribe"], snapshot: ["subscribe", "snapshot"], published: ["publish"], pong: ["ping"], authorized: ["auth"],
})

/** The watch that has asked, or that of its pattern. @param {Request} r */
const ownerOf = r => r.watch?.pattern ?? r.watch

/** Fetches a token, within the time that the service has to answer. @param {Options} o @returns {Promise<any>} */
export const fetchToken = async o => {
  let late = /** @type {any} */ (undefined)
  return Promise.race([o.token?.(), new Promise((_, refuse) => { late = setTimeout(refuse, o.answerTime, Error("token is late")) })]).finally(() => clearTimeout(late))
}

/** @param {Record<string, any>} frame @param {number} since @param {Partial<Request>} of @returns {Request} */
const request = (frame, since, of) => ({ frame, since, sentAt: 0, deadline: 0, ...of })

/** @param {number} since @param {boolean} apart */
const ping = (since, apart) => request({ action: "ping", cursors: {} }, since, { of: [], apart })

/** What the service refuses. The codes are those of the protocol, and other_view. */
export class WatchError extends Error {
  /** @param {{code: string, message: string, topic?: string}} f */
  constructor({ code, message, topic }) {
    super(message)
    this.name = "WatchError"
    this.code = code
    this.topic = topic
  }
}
