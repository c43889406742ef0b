// @ts-check

/**
 * @typedef {import("./wire.d.ts").Change} Change
 * @typedef {{epoch: string, seq: number}} Cursor
 */

/** The cursor of a topic that has had no change yet. @type {Cursor} */
export const nowhere = { epoch: "", seq: 0 }

/** @param {Cursor} c */
export const text = c => `${c.epoch}:${c.seq}`

/** Reads a cursor; undefined if it is none. @param {unknown} s @returns {Cursor | undefined} */
export const cursorOf = s => {
  const parts = /^([a-z\d]{0,32}):(0|[1-9]\d{0,15})$/.exec(String(s))
  return parts && Number.isSafeInteger(+parts[2]) ? { epoch: parts[1], seq: +parts[2] } : undefined
}

/** The last number that a change is of. @param {Change} c */
const last = c => c.to || c.seq

/** @param {Change} c */
const skipped = c => c.op === "skipped"

/** Whether a change has numbers that a topic can have. @param {Change} c */
export const plausible = c => Number.isSafeInteger(last(c) + 1) && c.seq >= 1 && (!c.to || skipped(c) && c.to >= c.seq)

/**
 * An order puts the changes of one topic in order: each once, none left out. It knows no time and no
 * network. It is a function with variables for the same reason as the engine.
 * @param {number} maxCount @param {number} maxBytes @param {boolean} latest of the changes of an item that wait, only the last one is handed out
 */
export const newOrder = (maxCount, maxBytes, latest) => {
  let started = false // cursor means something
  let cursor = nowhere // everything up to it was handed out
  let known = 0 // the latest seq of the cursor's epoch that exists for certain
  let foreign = false // a change of another epoch was seen
  let epoch = "" // of early
  let early = /** @type {Change[]} */ ([]) // by their seq; no two share a seq
  let bytes = 0 // of early's data
  let seqs = 0 // of early, those of skipped runs among them
  const items = /** @type {Map<string | undefined, number>} */ (new Map()) // with latest: the seq of the change of each item that waits

  /** @param {string} of */
  function clear(of) {
    epoch = of
    early = []
    bytes = seqs = 0
    items.clear()
  }

  /** Whether it stands before the first change of a topic, whose epoch is not known then. */
  function fresh() { return started && !cursor.epoch && !cursor.seq }

  /**
   * Starts, or starts over, after a cursor. What came early and belongs behind the cursor is kept.
   * @param {Cursor} at
   */
  function begin(at) {
    started = true
    cursor = at
    known = at.seq
    foreign = false
    if (fresh() && early[0]?.seq === 1) adopt(epoch)
    if (epoch !== cursor.epoch) {
      foreign = early.length > 0
      clear("")
    }
    for (let c; (c = early[0]) && c.seq <= at.seq; ) {
      drop(c)
      skip(at.seq + 1, last(c), c.costly)
    }
    const latest = early.at(-1)
    if (latest) known = Math.max(known, last(latest))
  }

  /** The place of the first change that begins after a seq. @param {number} seq */
  function after(seq) {
    let from = 0, to = early.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (early[middle].seq > seq) to = middle
      else from = middle + 1
    }
    return from
  }

  /** Has a change wait, in place of one with the same seq. @param {Change} c */
  function put(c) {
    const before = early[after(c.seq) - 1]
    if (before?.seq === c.seq) remove(before)
    early.splice(after(c.seq), 0, c)
    weigh(c, 1)
  }

  /** @param {Change} c */
  function remove(c) {
    early.splice(after(c.seq) - 1, 1)
    weigh(c, -1)
  }

  /** Drops the change that waits with the seq of a change, if there is one. @param {Change} c */
  function drop({ seq }) {
    const c = early[after(seq) - 1]
    if (c?.seq !== seq) return
    remove(c)
    if (items.get(c.id) === seq) items.delete(c.id)
  }

  /** Adds what a change takes, times a sign. @param {Change} c @param {number} sign */
  function weigh(c, sign) {
    bytes += sign * size(c)
    seqs += sign * (last(c) - c.seq + 1)
  }

  /** Notes that from to to are skipped; nothing if there is none between them.
   * @param {number} from @param {number} to @param {boolean} [costly] */
  function skip(from, to, costly) {
    if (from <= to) put({ topic: "", epoch, seq: from, to, id: "", op: "skipped", costly })
  }

  /** The change, or the skipped ones, that a seq is of. @param {number} seq */
  function covering(seq) {
    const c = early[after(seq) - 1]
    return c && last(c) >= seq ? c : undefined
  }

  /**
   * Takes a change in, and says if it is repeated, or one was dropped. Where one frame has it and another
   * one skips it, as the watch sees more or less by another token, it counts unless the cursor is past it.
   * @param {Change} c @returns {"repeated" | "dropped" | undefined}
   */
  function offer(c) {
    if (started && c.epoch !== cursor.epoch) {
      foreign = true
      if (!fresh()) return
    }
    if (epoch !== c.epoch) clear(c.epoch)
    if (!accept(c)) return "repeated"
    known = Math.max(known, last(c))
    const was = trim()
    if (fresh() && c.seq === 1) adopt(c.epoch)
    return was
  }

  /** Whether there is anything new in a change, which then waits. @param {Change} c */
  function accept(c) {
    if (skipped(c)) return pass(c.seq, last(c), c.costly)
    if (latest && (items.get(c.id) ?? 0) > c.seq) return pass(c.seq, c.seq)
    const other = covering(c.seq)
    if (other && !skipped(other) || started && c.seq <= cursor.seq) return false
    if (other) {
      drop(other)
      skip(other.seq, c.seq - 1, other.costly)
      skip(c.seq + 1, last(other), other.costly)
    }
    put(latest ? supersede(c) : c)
    return true
  }

  /** Skips the change of the same item that waits. The new one comes after it. @param {Change} c */
  function supersede(c) {
    const seq = items.get(c.id)
    if (seq) {
      const before = /** @type {Change} */ (covering(seq))
      if (before.op === "added" && c.op === "modified") c = { ...c, op: "added" }
      drop(before)
      pass(seq, seq)
    }
    items.set(c.id, c.seq)
    return c
  }

  /**
   * Has what is not taken of from to to be skipped. It joins what is skipped just before, so that
   * long runs take no room. Such a run is costly if any part of it is.
   * @param {number} from @param {number} to @param {boolean} [costly]
   */
  function pass(from, to, costly) {
    let fresh = false
    if (started) from = Math.max(from, cursor.seq + 1)
    while (from <= to) {
      const other = covering(from)
      if (other) {
        from = last(other) + 1
        continue
      }
      const next = early[after(from)], end = next ? Math.min(to, next.seq - 1) : to
      const before = covering(from - 1), joins = before && skipped(before)
      skip(joins ? before.seq : from, end, costly || joins && before.costly)
      fresh = true
      from = end + 1
    }
    return fresh
  }

  /** Follows a topic from before its first change into its first epoch. @param {string} epoch */
  function adopt(epoch) {
    cursor = { epoch, seq: cursor.seq }
    foreign = false
  }

  /** Lets the latest go when there is no room, as the earliest are due first. */
  function trim() {
    let was = /** @type {"dropped" | undefined} */ (undefined)
    for (; early.length > 1 && (early.length > maxCount || bytes > maxBytes); was = "dropped") {
      drop(/** @type {Change} */ (early.at(-1)))
    }
    return was
  }

  /** The change that is due, or those that are skipped from there on, if they are there. */
  function next() {
    const c = early[0]
    return started && c?.seq === cursor.seq + 1 ? c : undefined
  }

  /** Says that what was due was handed out. @param {Change} c */
  function advance(c) {
    cursor = { epoch: c.epoch, seq: last(c) }
    drop(c)
  }

  /** Takes in where the service says that the topic stands. @param {Cursor} head */
  function learn(head) {
    foreign = head.epoch !== cursor.epoch
    if (!foreign) known = Math.max(known, head.seq)
  }

  /** Takes in that what comes after the cursor is told, up to where the topic stands. @param {Cursor} head */
  function resume(head) {
    if (fresh()) adopt(head.epoch)
    learn(head)
  }

  /** Whether something is missing: between the changes that wait, or after them. */
  function lacks() { return started && (foreign || known - cursor.seq > seqs) }

  /** Whether something is missing that will not be there when the consumer has caught up. */
  function behind() { return started && (foreign || known > cursor.seq && !next()) }

  return {
    begin, offer, next, advance, learn, resume, lacks, behind,
    /** Where it stands, as text. */
    place: () => text(cursor),
    /** Whether that means something. */
    started: () => started,
    /** Before the first change that waits. */
    before: () => ({ epoch, seq: early[0]?.seq - 1 || 0 }),
  }
}

/** What the data of changes takes, about. @type {WeakMap<Change, number>} */
const sizes = new WeakMap()

/** @param {Change} c */
const size = c => {
  let n = sizes.get(c)
  if (n === undefined) sizes.set(c, n = JSON.stringify(c.data ?? c.patch ?? 0).length)
  return n
}
