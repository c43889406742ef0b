// @ts-check

// Watches of patterns. The core loads this file when a page first watches one.

import { cursorOf } from "./order.js"
import { Watch, Watching, whole } from "./watch.js"

/**
 * @typedef {import("./wire.d.ts").Change} Change
 * @typedef {import("./order.js").Cursor} Cursor
 */

/** Takes a pattern's wildcard off, which is empty for a topic. @param {string} topic */
const split = topic => {
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

/** Whether one of two patterns or topics lies within the other's base. @param {string} a @param {string} b */
export const near = (a, b) => {
  const [x, y] = [split(a).base + "/", split(b).base + "/"]
  return x.startsWith(y) || y.startsWith(x)
}

/** Has a topic of a pattern be watched after a cursor. @param {Watch} w @param {Cursor} at */
const start = (w, at) => {
  w.order.begin(at)
  w.pump()
}

/**
 * The watch of a pattern: a watch of each of its topics, which come in as the service names them or
 * a change of theirs arrives. It subscribes for them all.
 */
export class PatternWatch extends Watching {
  pattern = undefined
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
    const all = this.members()
    if (!all.every(w => w.greet())) return false
    for (const _ of all) {
      const w = all[this.turn % all.length], before = w.place(), done = w.pump()
      if (done || w.place() !== before) this.turn++
      if (!done) return false
    }
    return true
  }

  /** What it has to ask for. It comes before what its topics ask for. */
  request() {
    if (!this.joined) return { action: "subscribe", topic: this.topic, ...this.shows, snapshot: this.o.snapshot && !this.known || undefined }
  }

  members() { return [...this.topics.values()] }

  following() { return this.joined }

  pingAt() { return this.joined ? this.probe.next(false) : 0 }

  /** What a ping calls it. */
  place() { return ":0" }

  lacks() { return false }

  behind() { return false }

  notice() {}

  /** Whether another watch may be one of a topic of it. @param {import("./watch.js").AnyWatch} other */
  meets(other) { return near(this.topic, other.topic) }

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
   * @param {Change} c @returns {undefined}
   */
  offer(c) {
    if (this.topics.has(c.topic) || !matches(this.topic, c.topic)) return
    const w = this.adopt(c.topic)
    if (this.known) start(w, { epoch: c.epoch, seq: this.more ? c.seq - 1 : 0 })
  }

  /** Takes in where the topics stand. It is false if their items follow. @param {any} f @param {Record<string, any>} asked */
  subscribed(f, asked) {
    const view = f.view || whole, changed = this.view && this.view !== view
    this.older ||= !this.known && !!f.more
    this.join(view)
    this.more = !!f.more
    for (const w of this.members()) w.joined = true
    if (!this.known) this.startGiven()
    this.learnHeads(f.cursors)
    this.known = true
    for (const w of this.members()) {
      if (changed) w.startOver("view")
      else if (!w.order.started() && !w.restarting) start(w, this.origin(w))
    }
    return !asked.snapshot
  }

  reset() { this.lost() }

  /** Begins the topics whose cursors the consumer has given. A ping asks for them, as the service may not name them all. */
  startGiven() {
    for (const [topic, given] of Object.entries(this.o.cursors ?? {})) {
      const cursor = cursorOf(given)
      if (!cursor || topic === this.topic || !matches(this.topic, topic)) continue
      const w = this.topics.get(topic) ?? this.adopt(topic)
      start(w, cursor)
      w.probe.due = Date.now()
    }
  }

  /**
   * Where a topic begins that the service has not named but of which a change has come: before its
   * first, or before that change if not all topics were named.
   * @param {Watch} w
   */
  origin(w) {
    const { epoch, seq } = w.order.before()
    return { epoch, seq: this.more ? seq : 0 }
  }

  /** Notes where topics stand: known ones learn it, new ones begin. @param {Record<string, string>} [cursors] */
  learnHeads(cursors) {
    for (const [topic, given] of Object.entries(cursors ?? {})) {
      const head = cursorOf(given)
      if (!head || topic === this.topic || !matches(this.topic, topic)) continue
      const w = this.topics.get(topic) ?? this.adopt(topic)
      if (!w.order.started()) this.startNamed(w, head)
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
    else if (!this.o.cursors && (!this.known || this.older)) start(w, head)
    else start(w, { epoch: head.epoch, seq: 0 })
  }

  /**
   * Learns from the answer to a ping: topics that are new, and whether the pattern is subscribed
   * still. It is false if the answer does not say.
   * @param {any} pong
   */
  learn(pong) {
    const named = this.topic in (pong.cursors ?? {}), before = this.topics.size
    this.probe.untold = !named && !!pong.more
    if (this.probe.untold) return false
    if (named) {
      this.probe.failures = 0
      this.more = !!pong.more
      this.learnHeads(pong.cursors)
    } else this.lost()
    if (!named || this.topics.size > before) this.e.alert()
    return true
  }

  /** The watch of a topic if its items are due. @param {string} topic */
  awaits(topic) {
    const w = this.topics.get(topic)
    return w?.due() ? w : undefined
  }
}
