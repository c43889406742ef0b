// @ts-check

import { newEngine, WatchError, fetchToken } from "./engine.js"
import { cursorOf } from "./order.js"
import { Watch } from "./watch.js"

export { WatchError }

/**
 * @typedef {import("./watchroute.d.ts").ClientOptions} ClientOptions
 * @typedef {import("./watchroute.d.ts").WatchOptions} WatchOptions
 * @typedef {import("./watchroute.d.ts").WatchEvent} WatchEvent
 * @typedef {import("./watchroute.d.ts").PublishOptions} PublishOptions
 * @typedef {import("./watchroute.d.ts").NewItem} NewItem
 */

const maxFrameBytes = 128 << 10

/** 128 random bits. */
const random = () => crypto.getRandomValues(new Uint32Array(4)).join("-")

/** Refuses what API Gateway would close the connection for. @param {Record<string, unknown>} frame */
const check = frame => {
  const bytes = new TextEncoder().encode(JSON.stringify(frame)).length + 128
  if (bytes > maxFrameBytes) throw new WatchError({ code: "too_large", message: `${bytes} bytes are over ${maxFrameBytes}` })
  return frame
}

/**
 * WatchClient watches and publishes over one connection at a time. It gives every change once and in
 * order, whatever happens to the connection. See README.md.
 */
export class WatchClient extends EventTarget {
  /** @param {string | URL} url @param {ClientOptions} [options] */
  constructor(url, { token, pingInterval = 120_000, maxPingInterval = Math.min(4 * pingInterval, (token ? 4 : 8) * 60_000), holeTime = 500, answerTime = 15_000, maxBackoff = 30_000, buffer = 10_000, bufferBytes = 8 << 20, WebSocket, transport } = {}) {
    super()
    const o = { url: this.url = String(url), signal: this.#deaf.signal, token, pingInterval, maxPingInterval: Math.max(pingInterval, maxPingInterval), holeTime, answerTime, maxBackoff, buffer, bufferBytes, WebSocket }
    this.#engine = newEngine(transport?.(socket(o), o) ?? socket(o), o, state => {
      this.#state = state
      this.dispatchEvent(new Event("state"))
    })
    this.#listen(o)
  }

  #engine
  #state = "connecting"
  #deaf = new AbortController() // to what happens to the page

  /** connecting, live, behind, offline or closed. Each change is an event "state". */
  get state() { return this.#state }

  /** What the client went through so far. */
  get stats() { return { ...this.#engine.stats } }

  /**
   * Watches a topic, or all topics of a pattern, for as long as the loop over it runs.
   * @param {string} topic @param {WatchOptions} [options]
   * @returns {AsyncGenerator<WatchEvent, void, void>}
   */
  async *watch(topic, options = {}) {
    const { signal, ...o } = options
    check({ topic, ...o, cursors: 0 }) // of which no request has many
    for (const cursor of [o.after ?? ":0", ...Object.values(o.cursors ?? {})]) {
      if (!cursorOf(cursor)) throw new WatchError({ code: "bad_cursor", message: "cursor is not epoch:seq", topic })
    }
    o.delta &&= !!(o.snapshot || o.after || o.cursors) // there is no state to patch
    const Kind = /\/\*\*?$/.test(topic) ? await this.#patterns(signal) : Watch
    signal?.throwIfAborted()
    if (!Kind || this.state === "closed") return
    const w = this.#engine.watch(new Kind(this.#engine, topic, o))
    const abort = () => w.queue.end(signal?.reason)
    signal?.addEventListener("abort", abort)
    try {
      for (let event; (event = await w.queue.next()); ) {
        yield event
        signal?.throwIfAborted()
      }
    } finally {
      signal?.removeEventListener("abort", abort)
      this.#engine.leave(w)
    }
  }

  /** Loads what watches patterns; nothing if the watch or the client has ended before. @param {AbortSignal} [signal] */
  async #patterns(signal) {
    for (let n = 0; !signal?.aborted && this.#state !== "closed"; n++) {
      try {
        return (await import("./patterns.js")).PatternWatch
      } catch { // there may be no network now
        await new Promise(wake => setTimeout(wake, this.#engine.backoff(n)))
      }
    }
  }

  /**
   * Puts an item. It resolves when the service has it in its table, and tries until then.
   * @param {string} topic @param {NewItem} item @param {PublishOptions} [options]
   */
  async publish(topic, item, { key, expiresAt } = {}) {
    const id = item.id || Date.now().toString(36).padStart(9, "0") + random() // sorts by time: so a feed is appended to
    const frame = { action: "publish", topic, item: { id, data: item.data }, key: key ?? random(), expiresAt }
    return { id, mark: await this.#engine.publish(check(frame)) }
  }

  /** Removes an item; one that does not exist is no error. @param {string} topic @param {string} id */
  async remove(topic, id) {
    await this.#engine.publish(check({ action: "publish", topic, op: "remove", item: { id } }))
  }

  /** Ends every watch, and closes the connection. It is not opened again. */
  close() {
    this.#engine.end()
    this.#deaf.abort()
  }

  /** Heals at once when the page comes back, and closes the connection while it is away. @param {{signal: AbortSignal}} o */
  #listen({ signal }) {
    const page = /** @type {any} */ (globalThis), { awake, suspend } = this.#engine
    const on = (/** @type {string} */ name, /** @type {() => void} */ call) => page.addEventListener?.(name, call, { signal, capture: true }) // some do not bubble
    for (const name of ["online", "pageshow", "resume"]) on(name, awake)
    for (const name of ["pagehide", "freeze"]) on(name, suspend)
    on("visibilitychange", () => page.document.hidden || awake())
  }
}

/** Dials a WebSocket, with the token as a subprotocol. @param {any} o @returns {import("./engine.js").Dial} */
const socket = o => async events => {
  const token = o.token && await fetchToken(o)
  const Socket = o.WebSocket ?? globalThis.WebSocket
  const ws = new Socket(o.url, token ? ["watchroute.v1", "bearer." + token] : [])
  return new Promise((done, failed) => {
    const link = {
      write: (/** @type {object} */ frame) => { if (ws.readyState === 1) ws.send(JSON.stringify(frame)) },
      close: () => {
        ws.onmessage = ws.onclose = null
        ws.close(1000)
      },
    }
    const late = setTimeout(() => { link.close(); failed() }, o.answerTime)
    ws.onerror = () => {} // the close follows
    ws.onopen = () => { clearTimeout(late); done(link) }
    ws.onmessage = (/** @type {MessageEvent} */ m) => events.frame(link, String(m.data))
    ws.onclose = (/** @type {CloseEvent} */ c) => {
      clearTimeout(late)
      failed()
      events.closed(link, c.code)
    }
  })
}
