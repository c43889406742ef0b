// A world for tests: time that passes when it is told to, and a service that says what it is told to. It
// imports nothing, and is the same in Node and in a page.

const real = { setTimeout, clearTimeout, now: Date.now, random: Math.random }

/** Lets everything run that needs no time. A message is a task of its own, and no timer, which a page holds back. */
const pause = () => new Promise(done => {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => {
    port1.close()
    done()
  }
  port2.postMessage(0)
})

/** Clock is the time of a test. It stands in for the timers, Date.now and Math.random. Nothing else passes. */
export class Clock {
  #now = 1_800_000_000_000
  #timers = new Map()
  #last = 0

  constructor() {
    Date.now = () => this.#now
    Math.random = () => 0.5
    globalThis.setTimeout = (call, after = 0, ...args) => {
      this.#timers.set(++this.#last, { at: this.#now + Math.max(0, after), call: () => call(...args) })
      return this.#last
    }
    globalThis.clearTimeout = id => void this.#timers.delete(id)
  }

  /** Lets everything come to rest, and the timers of this moment. */
  async rest() { await this.pass(0) }

  /** Lets milliseconds pass. */
  async pass(ms) {
    const end = this.#now + ms
    for (let n = 0; ; n++) {
      if (n > 10_000) throw new Error("it does not come to rest")
      for (let i = 0; i < 3; i++) await pause()
      const [id, timer] = [...this.#timers].reduce((first, t) => !first || t[1].at < first[1].at ? t : first, undefined) ?? []
      if (!timer || timer.at > end) break
      this.#now = Math.max(this.#now, timer.at)
      this.#timers.delete(id)
      timer.call()
    }
    this.#now = end
  }

  /** Lets time pass without any timer, as when a machine sleeps. */
  sleep(ms) { this.#now += ms }

  stop() {
    Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout })
    Date.now = real.now
    Math.random = real.random
  }
}

/** Service is the other end of the client's WebSockets, newest last. */
export class Service {
  sockets = []

  constructor() {
    const service = this
    this.WebSocket = class {
      readyState = 0
      requests = []
      closed = false

      constructor(url, protocols) {
        this.url = url
        this.protocols = protocols
        service.sockets.push(this)
      }

      send(text) { this.requests.push(JSON.parse(text)) }

      close() {
        this.closed = true
        this.readyState = 3
      }
    }
  }

  get newest() { return this.sockets.at(-1) }

  /** The newest connection, if it has yet to be answered. */
  dialling() {
    const s = this.newest
    if (!s || s.readyState !== 0 || s.closed) throw new Error(`no connection is being made; there were ${this.sockets.length}`)
    return s
  }

  accept() {
    const s = this.dialling()
    s.readyState = 1
    s.onopen?.()
  }

  drop(code, s = this.newest) {
    s.readyState = 3
    s.onclose?.({ code })
  }

  say(text, s = this.newest) { if (s.readyState === 1) s.onmessage?.({ data: text }) }
}

/** Whether a value has all that is wanted of it. */
export const has = (got, want) => {
  if (typeof want !== "object" || want === null) return got === want
  if (typeof got !== "object" || got === null || Array.isArray(want) && got.length !== want.length) return false
  return Object.entries(want).every(([name, value]) => has(got[name], value))
}
