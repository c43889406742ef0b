// Holds the tabs that share a connection, in a browser that has Web Locks and BroadcastChannel.

import assert from "node:assert/strict"
import { test } from "node:test"
import { overTabs } from "../tabs.js"
import { WatchClient } from "../watchroute.js"
import { Clock, Service } from "./world.js"

/** Locks are the Web Locks of all tabs. */
class Locks {
  all = new Map()
  refusing = false

  async request(name, ...rest) {
    const call = rest.pop(), { signal, steal } = rest[0] ?? {}
    if (this.refusing) throw new DOMException("denied", "SecurityError")
    signal?.throwIfAborted()
    const lock = this.all.get(name) ?? { queue: [], held: undefined }
    this.all.set(name, lock)
    return new Promise((done, failed) => {
      const wanted = { call, done, failed }
      if (steal) {
        lock.held?.failed(new DOMException("stolen", "AbortError"))
        lock.held = undefined
        lock.queue.unshift(wanted)
      } else lock.queue.push(wanted)
      signal?.addEventListener("abort", () => {
        if (!lock.queue.includes(wanted)) return
        lock.queue.splice(lock.queue.indexOf(wanted), 1)
        failed(signal.reason)
      })
      this.grant(lock)
    })
  }

  grant(lock) {
    if (lock.held || !lock.queue.length) return
    const now = lock.held = lock.queue.shift()
    const end = () => {
      if (lock.held !== now) return
      lock.held = undefined
      this.grant(lock)
    }
    Promise.resolve().then(now.call).then(now.done, now.failed).finally(end)
  }

  held() { return [...this.all].filter(([, l]) => l.held || l.queue.length).map(([name]) => name) }
}

/** Runs a test in a browser. Each client is one of a tab. */
const bubble = (name, run) => test(name, async () => {
  const clock = new Clock(), service = new Service(), locks = new Locks(), clients = [], intervals = new Set()
  const open = new Set(), before = Object.getOwnPropertyDescriptor(globalThis, "navigator")
  const { BroadcastChannel, setInterval, clearInterval } = globalThis
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true })
  globalThis.BroadcastChannel = class {
    constructor(name) {
      this.name = name
      open.add(this)
    }

    postMessage(m) {
      for (const c of open) if (c !== this && c.name === this.name) setTimeout(() => { if (open.has(c)) c.onmessage?.({ data: structuredClone(m) }) })
    }

    close() { open.delete(this) }
  }
  globalThis.setInterval = (call, every) => {
    const one = { id: 0 }, again = () => {
      one.id = setTimeout(() => {
        again()
        call()
      }, every)
    }
    again()
    intervals.add(one)
    return one
  }
  globalThis.clearInterval = one => {
    clearTimeout(one?.id)
    intervals.delete(one)
  }
  const tab = ({ subject = "ada", transport, ...options } = {}) => {
    const client = new WatchClient("wss://service/live", { WebSocket: service.WebSocket, transport: overTabs({ subject, transport }), ...options })
    clients.push(client)
    return client
  }
  try {
    await run({ clock, service, locks, tab, open, intervals })
  } finally {
    for (const c of clients) c.close()
    await clock.rest()
    clock.stop()
    Object.assign(globalThis, { BroadcastChannel, setInterval, clearInterval })
    if (before) Object.defineProperty(globalThis, "navigator", before)
    else delete globalThis.navigator
  }
})

/** Follows a topic, and notes its changes, pages and how it has ended. */
const follow = (client, topic, options) => {
  const seen = { ids: [], pages: 0, error: undefined }
  const run = async () => {
    for await (const { change, page } of client.watch(topic, options)) {
      if (page) seen.pages++
      if (change) seen.ids.push(change.id)
    }
  }
  run().catch(error => { seen.error = error.code ?? error })
  return seen
}

/** Answers all that is asked of the newest connection as a service with an empty topic does. */
const answer = (service, socket = service.newest) => {
  const asked = socket.requests.splice(0)
  for (const { action, id, topic, snapshot, cursors } of asked) {
    if (action === "subscribe") service.say(JSON.stringify({ type: "subscribed", id, topic, epoch: "e", seq: 0, recovered: true }), socket)
    if (action === "subscribe" && snapshot) service.say(JSON.stringify({ type: "snapshot", id, topic, epoch: "e", seq: 0, items: [] }), socket)
    if (action === "unsubscribe") service.say(JSON.stringify({ type: "unsubscribed", id, topic }), socket)
    if (action === "ping") service.say(JSON.stringify({ type: "pong", id, cursors }), socket)
    if (action === "publish") service.say(JSON.stringify({ type: "published", id, topic, mark: "m" }), socket)
  }
  return asked
}

const live = async ({ clock, service }) => {
  await clock.pass(100)
  if (service.newest.readyState === 0) service.accept()
  await clock.pass(100)
  const asked = answer(service)
  await clock.pass(100)
  return asked
}

bubble("a client that is closed leaves no lock, channel, timer or connection", async w => {
  const leader = w.tab(), other = w.tab()
  follow(leader, "t")
  await live(w)
  assert.equal(w.service.sockets.length, 1)
  other.close()
  leader.close()
  await w.clock.rest()
  assert.deepEqual(w.locks.held(), [])
  assert.equal(w.open.size, 0)
  assert.equal(w.intervals.size, 0)
  assert.ok(w.service.sockets.every(s => s.closed))
})

bubble("a client that is closed before there was a connection leaves no lock", async w => {
  const client = w.tab()
  await w.clock.rest()
  w.service.drop(1006)
  await w.clock.pass(1)
  client.close()
  await w.clock.pass(5 * 60_000)
  assert.deepEqual(w.locks.held(), [])
  assert.equal(w.open.size, 0)
  assert.equal(w.service.sockets.length, 1)
})

bubble("tabs with tokens of which the subject is not given have their own connections", async w => {
  for (const token of ["ada", "ben"]) w.tab({ subject: "", token: () => token })
  await w.clock.pass(100)
  assert.deepEqual(w.service.sockets.map(s => s.protocols[1]), ["bearer.ada", "bearer.ben"])
})

bubble("a frame in which locks are refused has its own connection", async w => {
  w.locks.refusing = true
  const seen = follow(w.tab(), "t")
  await live(w)
  assert.equal(w.service.sockets.length, 1)
  w.service.say(JSON.stringify({ type: "changes", changes: [{ topic: "t", epoch: "e", seq: 1, id: "a", op: "added", data: {} }] }))
  await w.clock.rest()
  assert.deepEqual(seen.ids, ["a"])
  assert.equal(w.open.size, 0)
})

bubble("a tab does not take the lead because the leader has no network", async w => {
  const leader = w.tab()
  await w.clock.pass(10)
  const other = w.tab()
  await w.clock.pass(10)
  const name = "watchroute wss://service/live ada", { held } = w.locks.all.get(name)
  for (let n = 0; n < 6; n++) {
    if (w.service.newest.readyState === 0) w.service.drop(1006)
    await w.clock.pass(5_000)
  }
  assert.equal(w.locks.all.get(name).held, held, "the lead was taken")
  for (let n = 0; n < 60 && (w.service.newest.closed || w.service.newest.readyState !== 0); n++) await w.clock.pass(1000)
  await live(w)
  await w.clock.pass(30_000)
  for (const c of [leader, other]) assert.equal(c.state, "live")
})

bubble("a tab that waits for a leader which hangs takes the lead", async w => {
  const name = "watchroute wss://service/live ada", hung = new BroadcastChannel(name)
  w.locks.request(name, () => new Promise(() => {})).catch(() => {})
  hung.onmessage = ({ data }) => { if (data.do === "join") hung.postMessage({ to: data.from, do: "joined", socket: -1 }) } // it dials, and says nothing more
  const seen = follow(w.tab(), "t")
  await w.clock.pass(20)
  hung.close()
  await w.clock.pass(10_000)
  await live(w)
  w.service.say(JSON.stringify({ type: "changes", changes: [{ topic: "t", epoch: "e", seq: 1, id: "a", op: "added", data: {} }] }))
  await w.clock.rest()
  assert.deepEqual(seen.ids, ["a"])
})

bubble("a tab that watches without a presence does not end that of another", async w => {
  const first = follow(w.tab(), "rooms/1", { presence: { name: "Ada" } })
  await live(w)
  const second = follow(w.tab(), "rooms/1"), third = follow(w.tab(), "rooms/1", { presence: { name: "Ada" } })
  const asked = await live(w)
  assert.equal(second.error, "other_view")
  assert.deepEqual(asked.map(r => r.presence?.name), ["Ada"])
  assert.deepEqual([first.error, third.error], [undefined, undefined])
})

bubble("what a leader has published for another tab when it dies is published with the same key", async w => {
  const leader = w.tab()
  await live(w)
  const other = w.tab()
  await live(w)
  const done = other.publish("t", { id: "a", data: {} })
  await w.clock.pass(10)
  const [first] = w.service.newest.requests.splice(0)
  leader.close()
  await w.clock.pass(10_000)
  if (w.service.newest.readyState === 0) w.service.accept()
  await w.clock.pass(1000)
  const again = w.service.newest.requests.find(r => r.action === "publish")
  assert.equal(again.key, first.key)
  answer(w.service)
  await w.clock.pass(10)
  assert.equal((await done).mark, "m")
})

bubble("an error reaches the tab that has asked, and no other", async w => {
  const first = follow(w.tab(), "t")
  await live(w)
  const second = follow(w.tab(), "secret")
  await w.clock.pass(100)
  const { id } = w.service.newest.requests.pop()
  w.service.say(JSON.stringify({ type: "error", id, code: "forbidden", message: "no" }))
  await w.clock.pass(100)
  assert.equal(second.error, "forbidden")
  assert.equal(first.error, undefined)
})
