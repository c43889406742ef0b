// What is said in a room, and who is there. It is a model: events `change` and `said` tell whoever draws it.
//
//   rooms/general            each message is an item, never changed but by a moderator
//   rooms/general/typing     who is typing: items that live for seconds
//   @presence/rooms/general  who is here: the service keeps it
import { members } from "/browser/store.js"

const page = 40 // messages that are read at a time
const most = 400 // that are kept
const notices = 30 // that are kept
const typingTime = 6_000, typingPause = 3_000

/**
 * An id for a message. Pages of items are in the order of ids, and whoever opens a room wants the newest
 * first, so ids fall with time.
 */
const newId = () => `${9_999_999_999_999 - Date.now()}.${crypto.getRandomValues(new Uint32Array(2)).join(".")}`

const text = value => typeof value === "string" ? value : "" // another program may have put anything

const sleep = (time, signal) => new Promise(done => {
  const end = setTimeout(done, time)
  signal.addEventListener("abort", () => { clearTimeout(end); done() })
})

export class Room extends EventTarget {
  /** @param token gives a token, for reading over HTTP */
  constructor({ client, token, person, topic, name }) {
    super()
    Object.assign(this, { client, token, person, topic, name })
    this.people = members(client, "" + topic)
  }

  messages = new Map() // by id
  notices = []
  here = { members: [], count: 0, ready: false }
  typing = new Map() // name by id of a member
  unread = 0
  error = undefined // why the service refuses the room

  #cursor; #next; #stop; #ended; #seen; #typed = 0; #loading
  #timers = new Map()

  /** The oldest messages are here, and there are no others. */
  get whole() { return !this.#next }

  /** All that is to be shown, the oldest first. */
  list() {
    const said = [...this.messages.values()].sort((a, b) => a.id < b.id ? 1 : -1)
    for (const notice of this.notices) {
      const before = said.findIndex(m => m.at > notice.at)
      said.splice(before < 0 ? said.length : before, 0, notice)
    }
    return said
  }

  #changed() { this.dispatchEvent(new Event("change")) }

  /** Follows the room. Whoever enters is seen by others; whoever does not only hears what is said. */
  async follow(enter) {
    this.#stop?.abort()
    const stop = this.#stop = new AbortController(), before = this.#ended
    const done = this.#ended = (async () => {
      await before // a topic is watched in one way at a time
      if (!stop.signal.aborted) await Promise.all([this.#watch(enter, stop.signal), enter && this.#watchTyping(stop.signal), enter && this.#watchPeople(stop.signal)])
    })()
    await done
  }

  leave() { this.#stop?.abort() }

  /** Messages: the newest page over HTTP, and from its cursor on each change over the WebSocket. */
  async #watch(enter, signal) {
    for (let pause = 500; !signal.aborted && this.client.state !== "closed"; pause = Math.min(2 * pause, 15_000)) {
      try {
        if (!this.#cursor) await this.#read()
        const options = { after: this.#cursor, signal, ...enter && { presence: { name: this.person.name } } }
        for await (const { change, page, cursor } of this.client.watch(this.topic, options)) {
          if (page) { // the log does not reach back to the cursor
            this.#cursor = undefined
            break
          }
          if (change) this.#accept(change)
          if (cursor) this.#cursor = cursor
          pause = 500
        }
        continue
      } catch (error) {
        if (signal.aborted) return
        if (error.code === "forbidden") return this.#refused(error)
      }
      await sleep(pause, signal)
    }
  }

  #refused(error) {
    this.error = error
    this.#changed()
  }

  /** Has the service say why a room is not this person's. */
  async knock() {
    try {
      for await (const _ of this.client.watch(this.topic)) return
    } catch (error) {
      this.#refused(error)
    }
  }

  async #get(query) {
    const answer = await fetch(`/live/topics/${this.topic}?limit=${page}${query}`, { headers: { Authorization: "Bearer " + await this.token() } })
    const body = await answer.json()
    if (!answer.ok) throw Object.assign(new Error(body.detail ?? body.title), { code: body.code })
    return body
  }

  /** Reads the newest page, and forgets what came before. */
  async #read() {
    const { cursor, items, next } = await this.#get("")
    const own = [...this.messages].filter(([, m]) => m.sending || m.failed)
    this.messages = new Map(own)
    for (const item of items) this.#put(item.id, item.data)
    this.#cursor = cursor
    this.#next = items.length < page ? undefined : next
    this.#changed()
  }

  /** Reads the page before the oldest message. */
  async older() {
    if (this.whole) return
    await (this.#loading ??= (async () => {
      try {
        const { items, next } = await this.#get("&next=" + encodeURIComponent(this.#next))
        for (const item of items) if (!this.messages.has(item.id)) this.#put(item.id, item.data)
        this.#next = items.length < page ? undefined : next
        this.#changed()
      } finally {
        this.#loading = undefined
      }
    })())
  }

  /** Forgets old messages, once they are many. They can be read again. */
  async trim() {
    if (this.messages.size > most) await this.#read().catch(() => {}) // or the next time
  }

  #put(id, data) {
    const { from, name, text: said, at, hidden, flag } = data ?? {}
    this.messages.set(id, { id, from: text(from), name: text(name) || "Somebody", text: text(said), at: Math.abs(at) < 8.64e15 ? Number(at) : 0, hidden: hidden === true, flag: typeof flag === "object" ? flag : undefined })
  }

  #accept({ op, id, data }) {
    const known = this.messages.get(id)
    if (op === "removed") this.messages.delete(id)
    else if (!known && !this.whole && id > [...this.messages.keys()].reduce((a, b) => a > b ? a : b, "")) return // it will come with its page
    else this.#put(id, data)
    this.#changed()
    if (op === "added" && !known) this.dispatchEvent(new CustomEvent("said", { detail: this.messages.get(id) }))
  }

  /** Says something. It is shown at once, and sent as soon as there is a connection. */
  async send(said) {
    const id = newId(), data = { from: this.person.sub, name: this.person.name, text: said, at: Date.now() }
    this.stopTyping()
    this.#put(id, data)
    const mine = Object.assign(this.messages.get(id), { sending: true })
    this.#changed()
    try {
      await this.client.publish(this.topic, { id, data })
    } catch (error) {
      mine.failed = error.message
    }
    mine.sending = false
    this.#changed()
  }

  /** Hides a message from all but moderators, who see what it was and why. */
  hide({ id, from, name, text: said, at }, reason) {
    return this.client.publish(this.topic, { id, data: { from, name, text: "", at, hidden: true, flag: { by: this.person.name, reason, text: said } } })
  }

  unhide({ id, from, name, at, flag }) {
    return this.client.publish(this.topic, { id, data: { from, name, text: text(flag?.text), at } })
  }

  // Who is here. The service tells by items; joining and leaving is what changes between two lists.

  async #watchPeople(signal) {
    this.#seen = undefined
    const stop = this.people.subscribe(now => this.#met(now))
    await new Promise(done => signal.addEventListener("abort", done))
    stop()
    this.here = { members: [], count: 0, ready: false }
  }

  #met(now) {
    this.here = now
    const all = new Map(now.members.map(m => [m.id, m.name]))
    if (now.ready && all.size === now.count) { // with over a hundred, they are only counted
      if (!this.#seen) this.#note(`Welcome to ${this.name}, ${this.person.name}.`)
      else {
        for (const [id, name] of all) if (!this.#seen.has(id) && id !== this.person.sub) this.#note(`${name} has joined`)
        for (const [id, name] of this.#seen) if (!all.has(id) && id !== this.person.sub) this.#note(`${name} has left`)
      }
      this.#seen = all
    }
    this.#changed()
  }

  #note(what) {
    this.notices = [...this.notices, { notice: what, at: Date.now(), id: "notice-" + crypto.getRandomValues(new Uint32Array(2)).join("-") }].slice(-notices)
  }

  // Typing. An item says so for some seconds, and is gone by itself. It is worth no connection of its own.

  async #watchTyping(signal) {
    try {
      for await (const { change } of this.client.watch(this.topic + "/typing", { latest: true, signal })) {
        if (change && change.id !== this.person.sub) this.#types(change.id, change.op === "removed" ? "" : text(change.data?.name))
      }
    } catch { /* it is left, or refused */ }
    for (const id of [...this.typing.keys()]) this.#types(id, "")
  }

  #types(id, name) {
    clearTimeout(this.#timers.get(id))
    this.typing.delete(id)
    if (name && this.typing.size < 20) {
      this.typing.set(id, name)
      this.#timers.set(id, setTimeout(() => this.#types(id, ""), typingTime))
    } else this.#timers.delete(id)
    this.#changed()
  }

  /** Tells others that this person is typing, at most every three seconds. */
  startTyping() {
    if (this.client.state !== "live" || Date.now() - this.#typed < typingPause) return
    this.#typed = Date.now()
    const expiresAt = Math.ceil((Date.now() + typingTime) / 1000)
    this.client.publish(this.topic + "/typing", { id: this.person.sub, data: { name: this.person.name } }, { expiresAt }).catch(() => {}) // it is not worth telling
  }

  stopTyping() {
    if (!this.#typed) return
    this.#typed = 0
    if (this.client.state === "live") this.client.remove(this.topic + "/typing", this.person.sub).catch(() => {})
  }
}
