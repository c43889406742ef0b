// What only a browser's client does.

import assert from "node:assert/strict"
import { test } from "node:test"
import { live, merge } from "../store.js"
import { WatchClient } from "../watchroute.js"
import { Clock, Service } from "./world.js"

/** Runs a test with a client, a service and a page. */
const bubble = (name, run) => test(name, async () => {
  const clock = new Clock(), service = new Service(), page = new EventTarget()
  globalThis.addEventListener = page.addEventListener.bind(page)
  const client = new WatchClient("wss://service/live", { WebSocket: service.WebSocket, buffer: 50 })
  try {
    await clock.rest()
    await run({ clock, service, client, page })
  } finally {
    client.close()
    clock.stop()
    delete globalThis.addEventListener
  }
})

/** Follows a topic, and notes the numbers of its changes. */
const follow = (client, topic, options) => {
  const seen = { seqs: [], ended: false, error: undefined }
  const run = async () => {
    try {
      for await (const { change } of client.watch(topic, options)) if (change) seen.seqs.push(change.seq)
      seen.ended = true
    } catch (error) {
      seen.error = error
    }
  }
  run()
  return seen
}

const change = (seq, id = "i", data = { n: seq }) => ({ topic: "t", epoch: "e", seq, id, op: "modified", data })
const changes = (...all) => JSON.stringify({ type: "changes", changes: all })

/** Answers the subscribe that is asked for. */
const subscribed = ({ requests, onmessage }, rest) => {
  const { id } = requests.pop()
  onmessage({ data: JSON.stringify({ type: "subscribed", id, topic: "t", epoch: "e", seq: 0, ...rest }) })
}

bubble("a page that has slept shows the right state within a second of waking", async ({ clock, service, client }) => {
  service.accept()
  const seen = follow(client, "t")
  await clock.rest()
  subscribed(service.newest)
  await clock.rest()
  assert.equal(client.state, "live")
  const dead = service.newest // of which nothing is heard any more
  clock.sleep(15 * 60_000)
  await clock.pass(500)
  assert.notEqual(service.newest, dead, "it trusts a connection that it slept over")
  service.accept()
  await clock.rest()
  assert.equal(service.newest.requests.at(-1).after, "e:0")
  subscribed(service.newest, { seq: 1, recovered: true })
  service.say(changes(change(1)))
  await clock.pass(400)
  assert.deepEqual(seen.seqs, [1])
  assert.ok(dead.closed)
})

bubble("a page that is put away has no connection, and goes on when it comes back", async ({ clock, service, client, page }) => {
  service.accept()
  const seen = follow(client, "t")
  await clock.rest()
  subscribed(service.newest)
  page.dispatchEvent(new Event("pagehide"))
  assert.ok(service.newest.closed)
  await clock.pass(60_000)
  assert.equal(service.sockets.length, 1)
  assert.equal(client.state, "offline")
  page.dispatchEvent(new Event("pageshow"))
  await clock.rest()
  service.accept()
  await clock.rest()
  subscribed(service.newest, { seq: 1, recovered: true })
  service.say(changes(change(1)))
  await clock.rest()
  assert.deepEqual(seen.seqs, [1])
})

bubble("a page that is frozen has no connection, and goes on when it thaws", async ({ clock, service, client, page }) => {
  service.accept()
  await clock.rest()
  page.dispatchEvent(new Event("freeze"))
  await clock.rest()
  assert.ok(service.newest.closed)
  assert.equal(client.state, "offline")
  page.dispatchEvent(new Event("resume"))
  await clock.rest()
  assert.equal(service.sockets.length, 2)
})

bubble("a network that comes back is used at once", async ({ clock, service, client, page }) => {
  for (let n = 0; n < 8; n++) {
    service.drop(1006)
    await clock.pass(30_000)
  }
  service.drop(1006)
  await clock.pass(1000)
  const before = service.sockets.length
  page.dispatchEvent(new Event("online"))
  await clock.rest()
  assert.equal(service.sockets.length, before + 1)
  service.accept()
  await clock.rest()
  assert.equal(client.state, "live")
})

bubble("a client that was closed does not connect again, and its watches end", async ({ clock, service, client, page }) => {
  service.accept()
  const seen = follow(client, "t")
  await clock.rest()
  client.close()
  page.dispatchEvent(new Event("pageshow"))
  await clock.pass(10 * 60_000)
  assert.equal(service.sockets.length, 1)
  assert.ok(seen.ended)
  assert.equal(client.state, "closed")
})

bubble("its states say what a person wants to know", async ({ clock, service, client }) => {
  const states = [client.state]
  client.addEventListener("state", () => states.push(client.state))
  service.accept()
  await clock.rest()
  follow(client, "t")
  await clock.rest()
  subscribed(service.newest)
  await clock.rest()
  service.say(changes(change(2)))
  await clock.rest()
  service.say(changes(change(1)))
  await clock.rest()
  service.drop(1006)
  await clock.pass(249)
  await clock.pass(1)
  client.close()
  assert.deepEqual(states, ["connecting", "live", "behind", "live", "behind", "live", "offline", "connecting", "closed"])
})

bubble("a slow consumer costs a bounded amount, and loses nothing", async ({ clock, service, client }) => {
  service.accept()
  const watch = client.watch("t"), first = watch.next()
  await clock.rest()
  subscribed(service.newest)
  await first
  service.say(changes(...Array.from({ length: 1000 }, (_, i) => change(i + 1))))
  assert.ok(client.stats.dropped >= 1000 - 64 - 50, `dropped ${client.stats.dropped}`)
  const seqs = []
  for (let stands = 0; stands < 1000; ) {
    const next = watch.next()
    await clock.pass(1000)
    const ping = service.newest.requests.findLast(r => r.action === "ping" && r.cursors?.t)
    if (ping) {
      service.newest.requests = []
      const from = +ping.cursors.t.slice(2)
      service.say(changes(...Array.from({ length: 1000 - from }, (_, i) => change(from + i + 1))))
      service.say(JSON.stringify({ type: "pong", id: ping.id, cursors: { t: "e:1000" } }))
    }
    seqs.push(stands = (await next).value.change.seq)
  }
  assert.deepEqual(seqs, Array.from({ length: 1000 }, (_, i) => i + 1))
})

bubble("a store shows the items, and is the same until something has changed", async ({ clock, service, client }) => {
  service.accept()
  const store = live(client, "t", { delta: true }), heard = []
  assert.equal(store.getSnapshot().ready, false)
  await clock.rest()
  assert.deepEqual(service.newest.requests, [], "it watches before anybody listens")
  let stop = store.subscribe(now => heard.push(now))
  await clock.rest()
  stop() // as React does in its strict mode
  stop = store.subscribe(now => heard.push(now))
  await clock.pass(2000)
  const { id } = service.newest.requests.pop()
  assert.deepEqual(service.newest.requests, [])
  service.say(JSON.stringify({ type: "subscribed", id, topic: "t", epoch: "e", seq: 1 }))
  service.say(JSON.stringify({ type: "snapshot", id, topic: "t", epoch: "e", seq: 1, items: [{ id: "a", data: { n: 1, gone: 1 } }], more: false }))
  await clock.rest()
  const before = store.getSnapshot()
  assert.equal(before, store.getSnapshot())
  assert.ok(before.ready)
  service.say(changes({ topic: "t", epoch: "e", seq: 2, id: "a", op: "modified", patch: { n: 2, gone: null } }, { ...change(3), id: "b" }))
  await clock.rest()
  assert.deepEqual(store.getSnapshot().items.map(i => [i.id, i.data]), [["a", { n: 2 }], ["b", { n: 3 }]])
  assert.notEqual(before, store.getSnapshot())
  service.say(changes({ topic: "t", epoch: "e", seq: 4, id: "a", op: "removed" }))
  await clock.rest()
  assert.deepEqual(store.getSnapshot().items.map(i => i.id), ["b"])
  assert.equal(heard.at(-1), store.getSnapshot())
  stop()
  await clock.pass(2000)
  assert.equal(service.newest.requests.at(-1).action, "unsubscribe")
})

bubble("a listener that leaves a store twice, or listens twice, takes it from nobody", async ({ clock, service, client }) => {
  service.accept()
  const store = live(client, "t"), heard = [], listen = () => heard.push(store.getSnapshot())
  const stop = store.subscribe(listen)
  stop()
  await clock.pass(600)
  stop()
  const stops = [store.subscribe(listen), store.subscribe(listen)]
  await clock.pass(600)
  stops[0]()
  await clock.pass(2000)
  const { id } = service.newest.requests.pop()
  assert.deepEqual(service.newest.requests, [])
  service.say(JSON.stringify({ type: "subscribed", id, topic: "t", epoch: "e", seq: 1 }))
  service.say(JSON.stringify({ type: "snapshot", id, topic: "t", epoch: "e", seq: 1, items: [], more: false }))
  await clock.rest()
  assert.ok(heard.at(-1).ready, "the store is dead")
  stops[1]()
})

for (const end of ["abort", "close"]) {
  bubble(`a watch of a pattern ends if there is ${end === "abort" ? "an abort" : "a close"} while its code is loaded`, async ({ clock, service, client }) => {
    service.accept()
    const stop = new AbortController(), seen = follow(client, "t/*", { signal: stop.signal })
    if (end === "abort") stop.abort()
    else client.close()
    await import("../patterns.js")
    await clock.pass(100)
    assert.ok(seen.ended || seen.error, "it goes on")
    assert.deepEqual(service.newest.requests, [])
  })
}

bubble("a pattern goes on from the cursors of thousands of topics", async ({ clock, service, client }) => {
  service.accept()
  const seen = follow(client, "t/*", { cursors: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`t/a-topic-with-a-long-name-${i}`, "jx3mzq2a:41"])) })
  await clock.pass(100)
  assert.equal(seen.error, undefined)
  client.close()
})

test("a token that throws or never comes when it is renewed is asked for again", async () => {
  const clock = new Clock(), service = new Service(), tokens = ["a", "throws", "late"]
  const client = new WatchClient("wss://service/live", { WebSocket: service.WebSocket, token: () => {
    const token = tokens.shift() ?? "b"
    if (token === "throws") throw new Error("no session")
    return token === "late" ? new Promise(() => {}) : token
  } })
  try {
    await clock.rest()
    service.accept()
    await clock.rest()
    service.say(JSON.stringify({ type: "expiring" }))
    await clock.pass(20_000)
    assert.deepEqual(service.newest.requests.map(r => [r.action, r.token]), [["auth", "b"]])
  } finally {
    client.close()
    clock.stop()
  }
})

test("patches are merged as RFC 7396, appendix A, has it", () => {
  for (const [target, patch, want] of [
    [{ a: "b" }, { a: "c" }, { a: "c" }], [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }], [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }], [{ a: ["b"] }, { a: "c" }, { a: "c" }], [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }], [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c", "d"], ["c", "d"]], [{ a: "b" }, ["c"], ["c"]], [{ a: "foo" }, null, null], [{ a: "foo" }, "bar", "bar"],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }], [[1, 2], { a: "b", c: null }, { a: "b" }], [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]) assert.deepEqual(merge(target, patch), want)
})
