// @ts-check

import { cursorOf, newOrder, text } from "./order.js"

/**
 * @typedef {import("./wire.d.ts").Change} Change
 * @typedef {import("./watchroute.d.ts").Change} Shown a change that is not skipped
 * @typedef {import("./wire.d.ts").ResetReason | ""} Reason
 * @typedef {import("./watchroute.d.ts").WatchEvent} WatchEvent
 * @typedef {import("./watchroute.d.ts").WatchOptions} WatchOptions
 * @typedef {import("./order.js").Cursor} Cursor
 * @typedef {ReturnType<typeof import("./engine.js").newEngine>} Engine
 * @typedef {import("./engine.js").Request} Request
 * @typedef {import("./patterns.js").PatternWatch} PatternWatch
 * @typedef {Watch | PatternWatch} AnyWatch
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

/**
 * The events of a watch that its consumer has not taken yet. The engine writes to it.
 * @param {() => void} pump hands out more, when the consumer has taken all
 */
const newQueue = pump => {
  const events = /** @type {WatchEvent[]} */ ([])
  let waits = false // the engine waits for the consumer to take all
  let ended = false // nothing follows what is in events
  let error = /** @type {unknown} */ (undefined)
  let wake = () => {}

  /** Whether no more than most events wait. If not, it has the engine pump when there is room. @param {number} most */
  const hasRoom = most => events.length <= most || !(waits = true)

  return {
    /** Gives the consumer an event, if less than most wait for it. @param {WatchEvent} event @param {number} most */
    push: (event, most) => {
      if (!hasRoom(most - 1)) return false
      events.push(event)
      wake()
      return true
    },

    /** Whether there is room for what a page is asked with. */
    hasRoomForPages: () => hasRoom(changesKept),

    /** Ends the queue after what is in it, with an error if that is given. @param {unknown} [why] */
    end: why => {
      ended = true
      error = why
      wake()
    },

    /** The next event; undefined after the last. @returns {Promise<WatchEvent | undefined>} */
    next: async () => {
      while (!events.length && !ended) await new Promise(done => { wake = () => done(undefined) })
      const event = events.shift()
      if (!event && error !== undefined) throw error
      if (!events.length && waits) {
        waits = false
        pump()
      }
      return event
    },
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

/** What a watch of a topic and one of a pattern have in common. */
export class Watching {
  joined = false // subscribed on the connection in use
  view = "" // what is seen; empty before that is known
  attempt = new Attempt() // to subscribe, or to ask for items
  probe = new Probe() // for what is missing
  reason = /** @type {Reason} */ ("") // of the snapshot that is due or under way
  bookmark = "" // where that goes on; empty before its first page

  /** @param {Engine} e @param {string} topic @param {WatchOptions} o @param {ReturnType<typeof newQueue>} [queue] of the watch of its pattern */
  constructor(e, topic, o, queue) {
    this.e = e
    this.topic = topic
    this.o = o
    this.shows = { filter: o.filter, fields: o.fields, delta: o.delta || undefined, latest: o.latest || undefined }
    this.queue = queue ?? newQueue(() => e.turn(() => this.pump()))
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
  starved = false // its next page came, and there was no room for it
  held = false // a snapshot is under way; changes wait for its end
  restarting = false // it must start over with a snapshot, which it asks for by itself

  /** @param {Engine} e @param {string} topic @param {WatchOptions} o @param {PatternWatch} [pattern] undefined if it stands alone */
  constructor(e, topic, o, pattern) {
    super(e, topic, o, pattern?.queue)
    this.pattern = pattern
    this.joined = !!pattern?.joined
    this.order = newOrder(e.o.buffer, e.o.bufferBytes, !!o.latest)
    const after = !pattern && cursorOf(o.after)
    if (after) this.order.begin(after)
  }

  /** Whether another watch may be one of the same topic. @param {AnyWatch} other */
  meets(other) { return other.topic === this.topic }

  /** Gives the consumer an event, if less than most wait for it. @param {Partial<WatchEvent>} event @param {number} most */
  give(event, most) { return this.queue.push({ cursor: "", ...event, topic: this.topic }, most) }

  /** Takes a change in, and says what became of it. @param {Change} c */
  offer(c) {
    if (c.topic === this.topic && (!c.patch || this.o.delta)) return this.order.offer(c) // another patch is a late one for a watch that has left
  }

  /**
   * Hands out what is due: the first event, then changes. It is false if there was no room for all
   * of it; then it is called again when the consumer has taken what waits.
   * @returns {boolean}
   */
  pump() {
    if (!this.greet()) return false
    for (let c; this.greeted && !this.held && (c = this.order.next()); this.order.advance(c)) {
      const cursor = text({ epoch: c.epoch, seq: c.to || c.seq })
      if (!this.give(c.op === "skipped" ? { cursor, costly: c.costly } : { cursor, change: /** @type {Shown} */ (c) }, changesKept)) return false
    }
    return true
  }

  /** Gives the first event of a watch that does not begin with a snapshot, as soon as it has begun. It is false if there was no room. */
  greet() {
    if (this.greeted || !this.following()) return true
    return this.greeted = this.give({ cursor: this.place() }, eventsKept)
  }

  /** Where it stands, as text. */
  place() { return this.order.place() }

  /** Whether a snapshot is under way, or to be asked for. */
  due() { return this.restarting || this.held }

  /** Whether it is subscribed, and knows where it stands. */
  following() { return this.joined && this.order.started() && !this.due() }

  /** Those of the topics of a pattern. @returns {Watch[]} */
  members() { return [] }

  /** The watch of which a page is. */
  awaits() { return this }

  /** Whether anything is missing. */
  lacks() { return this.due() || this.order.lacks() }

  /** Whether anything is missing that is to be asked for. */
  behind() { return !this.held && this.order.behind() }

  /** What it has to ask for; undefined if nothing. */
  request() {
    const { order, pattern, o } = this, due = this.due()
    if (pattern?.attempt.asked) return // its items may be on their way
    if ((this.starved || due) && !this.queue.hasRoomForPages()) return
    const ask = (/** @type {Record<string, any>} */ r) => ({ ...r, topic: this.topic, ...this.shows })
    if (!this.joined && !this.restarting) {
      if (pattern) return // it is joined with the pattern watch
      return ask({ action: "subscribe", presence: o.presence, ...order.started() ? { after: this.place(), view: this.view || undefined } : { snapshot: o.snapshot || undefined } })
    }
    if (due) return ask({ action: "snapshot", next: this.bookmark || undefined })
  }

  /** Takes in that it is subscribed. It is false if its items follow. @param {any} f @param {Record<string, any>} asked */
  subscribed(f, asked) {
    this.nextView = f.view || whole
    if (asked.after && f.recovered) this.order.resume(f)
    else if (asked.after || asked.snapshot) return false
    else this.order.begin({ epoch: f.epoch, seq: f.seq })
    this.join(this.nextView)
    return true
  }

  /** When a ping is to ask for the topic; 0 if none is to. */
  pingAt() { return this.following() ? this.probe.next(this.behind()) : 0 }

  /**
   * Takes in whether something is missing, and says when to ask for it: after a while, as it may be
   * under way, or at once if it is the rest of what was asked for.
   * @param {number} now @param {number} hole
   */
  notice(now, hole) {
    const p = this.probe, at = this.place(), behind = this.behind()
    if (!this.following()) return void Object.assign(p, new Probe())
    if (p.ping || p.untold && !behind || behind && p.at && p.from === at) return
    if (behind) {
      p.at = now + (p.more ? 0 : hole)
      p.from = at
    } else if (this.lacks()) return
    else p.at = 0
    p.failures = 0
    p.more = false
  }

  /**
   * Learns from the answer to a ping, after all that it brought. asked is the cursor that the ping had.
   * It is false if the answer brought nothing of what is missing, or does not say where the topic stands.
   * @param {any} pong @param {string} asked
   */
  learn(pong, asked) {
    const { order, probe } = this, head = cursorOf(pong.cursors?.[this.topic])
    if (!head || text(head) !== asked) this.e.alert()
    if (!head && !pong.more) return this.lost(), true
    if (head) order.learn(head)
    const behind = this.behind()
    probe.untold = !head && (behind ? probe.untold : true)
    if (!head || behind && this.place() === probe.from) return false
    probe.more = order.lacks()
    return true
  }

  /** Takes in that changes after its cursor cannot be told. @param {Reason} reason */
  reset(reason) {
    if (this.pattern) this.startOver(reason)
    else this.joined = false
    this.attempt.retry(this.e)
  }

  lost() {
    if (this.pattern) this.pattern.lost()
    else super.lost()
  }

  /** Has it ask for the topic's items, as it does not subscribe for itself. @param {Reason} reason */
  startOver(reason) {
    this.restarting = true
    this.reason = reason
    this.bookmark = ""
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
    this.held = !done
    this.bookmark = f.next || ""
    if (done) this.reason = ""
    return true
  }
}
