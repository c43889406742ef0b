// @ts-check

/**
 * @typedef {import("./watchroute.d.ts").Change} Change
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

const kept = "kept", repeated = "repeated", dropped = "dropped", foreign = "foreign"

/**
 * Order puts the changes of one topic in order: each once, none left out. It knows no time and no
 * network.
 */
export class Order {
  /** @param {number} maxCount @param {number} maxBytes @param {boolean} latest */
  constructor(maxCount, maxBytes, latest) {
    this.maxCount = maxCount
    this.maxBytes = maxBytes
    this.latest = latest // of the changes of an item that wait, only the last one is handed out
    this.started = false // cursor means something
    this.held = false // a snapshot is under way; changes wait for its end
    this.cursor = nowhere // everything up to it was handed out
    this.known = 0 // the latest seq of the cursor's epoch that exists for certain
    this.foreign = false // a change of another epoch was seen
    this.epoch = "" // of early
    this.early = /** @type {Change[]} */ ([]) // by their seq; no two share a seq
    this.bytes = 0 // of early's data
    this.seqs = 0 // of early, those of skipped runs among them
    this.items = /** @type {Map<string, number>} */ (new Map()) // with latest: the seq of the change of each item that waits
  }

  clear() {
    this.epoch = ""
    this.early = []
    this.bytes = this.seqs = 0
    this.items.clear()
  }

  /**
   * Starts, or starts over, after a cursor. What came early and belongs behind the cursor is kept.
   * @param {Cursor} at
   */
  begin(at) {
    this.started = true
    this.cursor = at
    this.known = at.seq
    this.foreign = false
    if (!at.epoch && !at.seq && this.early[0]?.seq === 1) this.adopt(this.epoch)
    if (this.epoch !== this.cursor.epoch) {
      this.foreign = this.early.length > 0
      this.clear()
    }
    for (let c; (c = this.early[0]) && c.seq <= at.seq; ) {
      this.drop(c)
      this.skip(at.seq + 1, last(c), c.costly)
    }
    const latest = this.early.at(-1)
    if (latest) this.known = Math.max(this.known, last(latest))
  }

  /** The place of the first change that begins after a seq. @param {number} seq */
  after(seq) {
    let from = 0, to = this.early.length
    while (from < to) {
      const middle = (from + to) >> 1
      if (this.early[middle].seq > seq) to = middle
      else from = middle + 1
    }
    return from
  }

  /** Has a change wait, in place of one with the same seq. @param {Change} c */
  put(c) {
    const at = this.after(c.seq), same = this.early[at - 1]?.seq === c.seq
    if (same) this.weigh(this.early[at - 1], -1)
    this.early.splice(same ? at - 1 : at, same ? 1 : 0, c)
    this.weigh(c, 1)
  }

  /** @param {Change} c */
  drop(c) {
    const at = this.after(c.seq) - 1, before = this.early[at]
    if (before?.seq !== c.seq) return
    this.early.splice(at, 1)
    this.weigh(before, -1)
    if (this.items.get(before.id) === before.seq) this.items.delete(before.id)
  }

  /** Adds what a change takes, times a sign. @param {Change} c @param {number} sign */
  weigh(c, sign) {
    this.bytes += sign * size(c)
    this.seqs += sign * (last(c) - c.seq + 1)
  }

  /** Notes that from to to are skipped; nothing if there is none between them.
   * @param {number} from @param {number} to @param {boolean} [costly] */
  skip(from, to, costly) {
    if (from <= to) this.put({ topic: "", epoch: this.epoch, seq: from, to, id: "", op: "skipped", costly })
  }

  /** The change, or the skipped ones, that a seq is of. @param {number} seq */
  covering(seq) {
    const c = this.early[this.after(seq) - 1]
    return c && last(c) >= seq ? c : undefined
  }

  /**
   * Takes a change in. Where one frame has it and another one skips it, as the watch sees more or
   * less by another token, it counts unless the cursor is past it.
   * @param {Change} c
   */
  offer(c) {
    if (this.started && c.epoch !== this.cursor.epoch) {
      this.foreign = true
      if (this.cursor.epoch || this.cursor.seq) return foreign
    }
    if (this.epoch !== c.epoch) {
      this.clear()
      this.epoch = c.epoch
    }
    if (!this.accept(c)) return repeated
    this.known = Math.max(this.known, last(c))
    const was = this.trim()
    if (this.started && !this.cursor.epoch && !this.cursor.seq && c.seq === 1) this.adopt(c.epoch)
    return was
  }

  /** Whether there is anything new in a change, which then waits. @param {Change} c */
  accept(c) {
    if (skipped(c)) return this.pass(c.seq, last(c), c.costly)
    if (this.latest && (this.items.get(c.id) ?? 0) > c.seq) return this.pass(c.seq, c.seq)
    const other = this.covering(c.seq)
    if (other && !skipped(other) || this.started && c.seq <= this.cursor.seq) return false
    if (other) {
      this.drop(other)
      this.skip(other.seq, c.seq - 1, other.costly)
      this.skip(c.seq + 1, last(other), other.costly)
    }
    this.put(this.latest ? this.supersede(c) : c)
    return true
  }

  /** Skips the change of the same item that waits. The new one comes after it. @param {Change} c */
  supersede(c) {
    const seq = this.items.get(c.id)
    if (seq) {
      const before = /** @type {Change} */ (this.covering(seq))
      if (before.op === "added" && c.op === "modified") c = { ...c, op: "added" }
      this.drop(before)
      this.pass(seq, seq)
    }
    this.items.set(c.id, c.seq)
    return c
  }

  /**
   * Has what is not taken of from to to be skipped. It joins what is skipped just before, so that
   * long runs take no room. Such a run is costly if any part of it is.
   * @param {number} from @param {number} to @param {boolean} [costly]
   */
  pass(from, to, costly) {
    let fresh = false
    if (this.started) from = Math.max(from, this.cursor.seq + 1)
    while (from <= to) {
      const other = this.covering(from)
      if (other) {
        from = last(other) + 1
        continue
      }
      const next = this.early[this.after(from)], end = next ? Math.min(to, next.seq - 1) : to
      const before = this.covering(from - 1), joins = before && skipped(before)
      this.skip(joins ? before.seq : from, end, costly || joins && before.costly)
      fresh = true
      from = end + 1
    }
    return fresh
  }

  /** Follows a topic from before its first change into its first epoch. @param {string} epoch */
  adopt(epoch) {
    this.cursor = { epoch, seq: this.cursor.seq }
    this.foreign = false
  }

  /** Lets the latest go when there is no room, as the earliest are due first. */
  trim() {
    let was = kept
    for (; this.early.length > 1 && (this.early.length > this.maxCount || this.bytes > this.maxBytes); was = dropped) {
      this.drop(/** @type {Change} */ (this.early.at(-1)))
    }
    return was
  }

  /** The change that is due, or those that are skipped from there on, if they are there. */
  next() {
    const c = this.early[0]
    return this.started && !this.held && c?.seq === this.cursor.seq + 1 ? c : undefined
  }

  /** Says that what was due was handed out. @param {Change} c */
  advance(c) {
    this.cursor = { epoch: c.epoch, seq: last(c) }
    this.drop(c)
  }

  /** Takes in where the service says that the topic stands. @param {Cursor} head */
  learn(head) {
    this.foreign = head.epoch !== this.cursor.epoch
    if (!this.foreign) this.known = Math.max(this.known, head.seq)
  }

  /** Whether something is missing: between the changes that wait, or after them. */
  lacks() {
    return this.started && (this.foreign || this.known - this.cursor.seq > this.seqs)
  }

  /** Whether something is missing that will not be there when the consumer has caught up. */
  behind() {
    return this.started && !this.held && (this.foreign || this.known > this.cursor.seq && !this.next())
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
