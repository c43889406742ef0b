// @ts-check

import { Order, cursorOf, nowhere, plausible, text } from "./order.js"

/**
 * @typedef {import("./watchroute.d.ts").Change} Change
 * @typedef {import("./watchroute.d.ts").WatchEvent} WatchEvent
 * @typedef {import("./watchroute.d.ts").WatchOptions} WatchOptions
 * @typedef {import("./order.js").Cursor} Cursor
 * @typedef {ReturnType<typeof import("./engine.js").newEngine>} Engine
 * @typedef {import("./engine.js").Request} Request
 */

/** What a client sends as its view if it has seen all of a topic. */
export const whole = "whole"

/** How many events wait for the consumer, besides changes in order. */
const eventsKept = 128

/**
 * How many there may be for one more change to be added. The rest is room for first events and
 * pages: else the changes of a busy topic could keep those of other topics out for ever.
 */
const changesKept = eventsKept / 2

/** Takes a pattern's wildcard off, which is empty for a topic. @param {string} topic */
export const split = topic => {
  const [, base, wildcard] = /^(.*)\/(\*\*?)$/.exec(topic) ?? []
  return wildcard ? { base, wildcard } : { base: topic, wildcard: "" }
}

/** Whether a topic is the one, or one of those, that a pattern names. @param {string} pattern @param {string} topic */
export const matches = (pattern, topic) => {
  const { base, wildcard } = split(pattern), below = topic.startsWith(base + "/")
  switch (wildcard) {
    case "*": return below && !topic.slice(base.length + 1).includes("/")
    case "**": return below || topic === base
  }
  return pattern === topic
}

/** The events of a watch that its consumer has not taken yet. The engine writes to it. */
export class Queue {
  /** @param {() => void} pump hands out more, when the consumer has taken all */
  constructor(pump) {
    this.pump = pump
    this.events = /** @type {WatchEvent[]} */ ([])
    this.waits = false // the engine waits for the consumer to take all
    this.ended = false // nothing follows what is in events
    this.error = /** @type {unknown} */ (undefined)
    this.wake = () => {}
  }

  /** Gives the consumer an event, if less than most wait for it. @param {WatchEvent} event @param {number} most */
  push(event, most) {
    if (this.events.length >= most) return !(this.waits = true)
    this.events.push(event)
    this.wake()
    return true
  }

  /** Whether there is room for what a page is asked with. If not, it has the engine pump when there is. */
  hasRoomForPages() {
    return this.events.length <= changesKept || !(this.waits = true)
  }

  /** Ends the queue after what is in it, with an error if that is given. @param {unknown} [error] */
  end(error) {
    this.ended = true
    this.error = error
    this.wake()
  }

  /** The next event; undefined after the last. @returns {Promise<WatchEvent | undefined>} */
  async next() {
    while (!this.events.length && !this.ended) await new Promise(wake => { this.wake = () => wake(undefined) })
    const event = this.events.shift()
    if (!event && this.error !== undefined) throw this.error
    if (!this.events.length && this.waits) {
      this.waits = false
      this.pump()
    }
    return event
  }
}

/**
 * When something may be asked for next: not while a request is outstanding, and after a pause, which
 * is longer each time that it had to be asked for again with no long time between.
 */
export class Attempt {
  asked = false // a request is outstanding
  notBefore = 0
  again = 0 // how often, in a row
  last = 0 // when that was

  /** @param {number} now */
  due(now) { return !this.asked && now >= this.notBefore }

  /** Allows another attempt after a pause; the first of them at once if nothing has failed. @param {Engine} e @param {boolean} [failed] */
  retry(e, failed) {
    const now = Date.now()
    if (now - this.last > 2 * e.o.maxBackoff) this.again = 0 // no pause is that long
    this.asked = false
    this.notBefore = now + (failed || this.again ? e.backoff(this.again) : 0)
    this.again++
    this.last = now
  }

  /** Takes in that the request was answered. */
  done() {
    this.asked = false
    this.notBefore = 0
  }
}

/** What a watch, or the watch of a pattern, has to ask by ping. */
export class Probe {
  due = 0 // since when a regular ping is to name it; 0 if none is
  at = 0 // when to ask for what is missing; 0 if nothing is
  from = "" // the cursor of the watch when at was set, or it was last asked for
  failures = 0 // how often that was asked for in vain, in a row
  more = false // the last answer brought a part of what is missing
  untold = false // the last answer did not say where it stands
  ping = /** @type {Request | undefined} */ (undefined) // that is under way

  /** When a ping is to ask, given whether something is missing; 0 if none is to. @param {boolean} missing */
  next(missing) {
    return this.ping ? 0 : this.due || (missing || this.untold ? this.at : 0)
  }

  /** Whether the last answer left it out. Then it is asked for without the others, which could use up again what one answer may read. */
  apart() { return this.untold || this.failures > 0 }

  /** @param {Request} ping @param {string} from */
  sent(ping, from) {
    this.ping = ping
    this.from = from
    this.due = 0
  }

  /** Takes in that a ping does not ask any more, and reports whether it was under way. @param {Request} ping */
  over(ping) {
    if (this.ping !== ping) return false
    this.ping = undefined
    this.at = 0
    return true
  }
}

/** A request, with what it is to see. @param {WatchOptions} o @param {Record<string, any>} r @returns {Record<string, any>} */
const about = ({ filter, fields, delta, latest }, r) => ({ ...r, filter, fields, delta: delta || undefined, latest: latest || undefined })

/** Whether two watches of a topic can share its subscription. @param {WatchOptions} a @param {WatchOptions} b */
export const sameView = (a, b) => JSON.stringify(about(a, {})) === JSON.stringify(about(b, {}))

/** What a watch of a topic and one of a pattern have in common. */
class Watching {
  /** @param {Engine} e @param {string} topic @param {WatchOptions} o @param {Queue} [queue] of the watch of its pattern */
  constructor(e, topic, o, queue) {
    this.joined = false // subscribed on the connection in use
    this.view = "" // what is seen; empty before that is known
    this.attempt = new Attempt() // to subscribe, or to ask for items
    this.probe = new Probe() // for what is missing
    this.e = e
    this.topic = topic
    this.o = o
    this.queue = queue ?? new Queue(() => e.turn(() => this.pump()))
  }

  /** @returns {boolean} */
  pump() { return true }

  /** Forgets what was asked on a connection that is not used any more. */
  forget() {
    this.joined = false
    this.attempt = new Attempt()
    this.probe = new Probe()
  }

  /** Takes in that it is subscribed, and what it sees. @param {string} view */
  join(view) {
    this.joined = true
    this.view = view
  }

  /** Has it subscribe again, as it is not subscribed any more. */
  lost() {
    if (this.joined) this.attempt.retry(this.e)
    this.joined = false
  }
}

/** One watch, or that of one topic of a pattern watch. */
export class Watch extends Watching {
  nextView = "" // the view of the snapshot that is due
  greeted = false // the first event was given
  reason = "" // of the snapshot that is due or under way
  bookmark = "" // where that goes on; empty before its first page
  starved = false // its next page came, and there was no room for it
  restarting = false // it must start over with a snapshot, which it asks for by itself

  /** @param {Engine} e @param {string} topic @param {WatchOptions} o @param {PatternWatch} [pattern] undefined if it stands alone */
  constructor(e, topic, o, pattern) {
    super(e, topic, o, pattern?.queue)
    this.pattern = pattern
    this.joined = !!pattern?.joined
    this.order = new Order(e.o.buffer, e.o.bufferBytes, !!o.latest)
    const after = !pattern && cursorOf(o.after)
    if (after) this.order.begin(after)
  }

  /** Gives the consumer an event, if less than most wait for it. @param {Partial<WatchEvent>} event @param {number} most */
  give(event, most) { return this.queue.push({ cursor: "", ...event, topic: this.topic }, most) }

  /**
   * Hands out what is due: the first event, then changes. It is false if there was no room for all
   * of it; then it is called again when the consumer has taken what waits.
   * @returns {boolean}
   */
  pump() {
    if (!this.greet()) return false
    for (let c; this.greeted && (c = this.order.next()); this.order.advance(c)) {
      const cursor = text({ epoch: c.epoch, seq: c.to || c.seq })
      if (!this.give(c.op === "skipped" ? { cursor, costly: c.costly } : { cursor, change: c }, changesKept)) return false
    }
    return true
  }

  /** Gives the first event of a watch that does not begin with a snapshot, as soon as it has begun. It is false if there was no room. */
  greet() {
    if (this.greeted || !this.following()) return true
    return this.greeted = this.give({ cursor: text(this.order.cursor) }, eventsKept)
  }

  /** Whether it is subscribed and neither busy with a snapshot nor about to ask for one. */
  following() { return this.joined && this.order.started && !this.order.held && !this.restarting }

  /** What it has to ask for; undefined if nothing. */
  request() {
    const { order, pattern, topic, o } = this
    if (pattern?.attempt.asked) return // its items may be on their way
    if ((this.starved || this.restarting || order.held) && !this.queue.hasRoomForPages()) return
    if (this.restarting) return about(o, { action: "snapshot", topic })
    if (!this.joined) {
      if (pattern) return // it is joined with the pattern watch
      const join = { action: "subscribe", topic, presence: o.presence }
      return about(o, order.started ? { ...join, after: text(order.cursor), view: this.view || undefined } : { ...join, snapshot: o.snapshot || undefined })
    }
    if (order.held) return about(o, { action: "snapshot", topic, next: this.bookmark })
  }

  /** When a ping is to ask for the topic; 0 if none is to. */
  pingAt() { return this.following() ? this.probe.next(this.order.behind()) : 0 }

  /**
   * Takes in whether something is missing, and says when to ask for it: after a while, as it may be
   * under way, or at once if it is the rest of what was asked for.
   * @param {number} now @param {number} hole
   */
  notice(now, hole) {
    const p = this.probe, at = text(this.order.cursor)
    if (!this.following()) Object.assign(p, new Probe())
    else if (p.ping || p.untold && !this.order.behind()) return
    else if (!this.order.lacks()) {
      p.at = p.failures = 0
      p.more = false
    } else if (this.order.behind() && (!p.at || p.from !== at)) {
      p.at = now + (p.more ? 0 : hole)
      p.from = at
      p.failures = 0
      p.more = false
    }
  }

  /**
   * Takes in where the service says that the topic stands, after all that the answer brought. It is
   * false if that was nothing of what is missing.
   * @param {Cursor} head
   */
  told(head) {
    this.probe.untold = false
    this.order.learn(head)
    if (this.order.behind() && text(this.order.cursor) === this.probe.from) return false
    this.probe.more = this.order.lacks()
    return true
  }

  lost() {
    if (this.pattern) this.pattern.lost()
    else super.lost()
  }

  /** Has it ask for the topic's items, as it does not subscribe for itself. @param {string} reason */
  startOver(reason) {
    this.restarting = true
    this.reason = reason
    this.bookmark = ""
  }

  /** Has it be watched after a cursor, as a topic of a pattern watch. @param {Cursor} at */
  start(at) {
    this.order.begin(at)
    this.pump()
  }

  /** Gives the consumer a page; false if there is no room. @param {any} f */
  turnPage(f) {
    const first = !f.from, done = !f.next, at = { epoch: f.epoch, seq: f.seq }
    const page = { first, last: done, items: f.items, costly: f.costly || 0, reason: first && this.reason || undefined }
    if (!this.give({ page, cursor: done ? text(at) : "" }, eventsKept)) return false
    if (first) {
      this.order.begin(at)
      this.join(this.nextView)
    }
    this.joined = this.greeted = true
    this.restarting = false
    this.order.held = !done
    this.bookmark = f.next || ""
    if (done) this.reason = ""
    return true
  }
}

/**
 * The watch of a pattern: a watch of each of its topics, which come in as the service names them or
 * a change of theirs arrives. It subscribes for them all.
 */
export class PatternWatch extends Watching {
  topics = /** @type {Map<string, Watch>} */ (new Map())
  turn = 0 // whose turn it is to hand out before the others
  known = false // the service has said where the topics stand
  more = false // it has not named them all
  older = false // it had not named them all when the watch began

  /**
   * Hands out what is due of all topics: first events, then changes. The topic that has taken the
   * last room comes last the next time, and one that has found none comes first.
   */
  pump() {
    const all = [...this.topics.values()]
    if (!all.every(w => w.greet())) return false
    for (const _ of all) {
      const w = all[this.turn % all.length], before = w.order.cursor, done = w.pump()
      if (done || w.order.cursor !== before) this.turn++
      if (!done) return false
    }
    return true
  }

  request() { return about(this.o, { action: "subscribe", topic: this.topic, snapshot: this.o.snapshot && !this.known || undefined }) }

  pingAt() { return this.joined ? this.probe.next(false) : 0 }

  /** Takes in a topic that it does not have yet. @param {string} topic */
  adopt(topic) {
    const w = new Watch(this.e, topic, this.o, this)
    this.topics.set(topic, w)
    this.e.add(w)
    return w
  }

  /**
   * Takes in the topic of a change. One that the service has not named, though it has named all, has
   * come into being since, and is watched from its first change on. What comes before the topics are
   * named waits for that.
   * @param {Change} c
   */
  meet(c) {
    if (this.topics.has(c.topic) || !matches(this.topic, c.topic)) return
    const w = this.adopt(c.topic)
    if (this.known) w.start({ epoch: c.epoch, seq: this.more ? c.seq - 1 : 0 })
  }

  /** Takes in where the topics stand. @param {any} f */
  subscribed(f) {
    const view = f.view || whole, changed = this.view && this.view !== view
    this.older ||= !this.known && !!f.more
    this.join(view)
    this.more = !!f.more
    for (const w of this.topics.values()) w.joined = true
    if (!this.known) this.startGiven()
    this.learnHeads(f.cursors)
    this.known = true
    for (const w of this.topics.values()) {
      if (changed) w.startOver("view")
      else if (!w.order.started && !w.restarting) w.start(this.origin(w))
    }
    this.pump()
  }

  /** Begins the topics whose cursors the consumer has given. A ping asks for them, as the service may not name them all. */
  startGiven() {
    for (const [topic, given] of Object.entries(this.o.cursors ?? {})) {
      const cursor = cursorOf(given)
      if (!cursor || topic === this.topic || !matches(this.topic, topic)) continue
      const w = this.topics.get(topic) ?? this.adopt(topic)
      w.start(cursor)
      w.probe.due = Date.now()
    }
  }

  /**
   * Where a topic begins that the service has not named but of which a change has come: before its
   * first, or before that change if not all topics were named.
   * @param {Watch} w
   */
  origin(w) {
    const [earliest] = w.order.early
    return { epoch: w.order.epoch, seq: this.more && earliest ? earliest.seq - 1 : 0 }
  }

  /** Notes where topics stand: known ones learn it, new ones begin. @param {Record<string, string>} [cursors] */
  learnHeads(cursors) {
    for (const [topic, given] of Object.entries(cursors ?? {})) {
      const head = cursorOf(given)
      if (!head || topic === this.topic || !matches(this.topic, topic)) continue
      const w = this.topics.get(topic) ?? this.adopt(topic)
      if (!w.order.started) this.startNamed(w, head)
      w.order.learn(head)
      w.probe.due = 0
    }
  }

  /**
   * Starts a topic that the service has named. If the consumer wants items, it begins with them. If it may
   * have been there when the watch began, it begins now. If it is new since then, or to the consumer, it
   * begins with its first change.
   * @param {Watch} w @param {Cursor} head
   */
  startNamed(w, head) {
    if (this.o.snapshot) w.startOver("")
    else if (!this.o.cursors && (!this.known || this.older)) w.start(head)
    else w.start({ epoch: head.epoch, seq: 0 })
  }

  /**
   * Learns from the answer to a ping: topics that are new, and whether the pattern is subscribed
   * still. It is true if there was nothing to learn.
   * @param {any} pong
   */
  learn(pong) {
    const named = this.topic in (pong.cursors ?? {})
    this.probe.untold = !named && !!pong.more
    if (this.probe.untold) return true
    if (!named) {
      this.lost()
      return false
    }
    const before = this.topics.size
    this.probe.failures = 0
    this.more = !!pong.more
    this.learnHeads(pong.cursors)
    return this.topics.size === before
  }

  /** The watch of a topic if its items are due. @param {string} topic */
  awaits(topic) {
    const w = this.topics.get(topic)
    return w && (w.restarting || w.order.held) ? w : undefined
  }
}

export { cursorOf, nowhere, plausible, text }
