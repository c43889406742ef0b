// Holds the link over HTTP to what only it does; the chaos and the pages of localstack run it as a whole.

import assert from "node:assert/strict"
import { test } from "node:test"
import { overHTTP, read } from "../http.js"
import { WatchClient } from "../watchroute.js"
import { Clock, Service } from "./world.js"

const json = (body, status = 200, headers = {}) => new Response(JSON.stringify(body), { status, headers: { "Content-Type": status < 300 ? "application/json" : "application/problem+json", ...headers } })
const problem = (status, code) => json({ code, detail: "no" }, status)

/** Runs a test with a client, and a service that answers as answer says. */
const bubble = (name, answer, run, options = {}) => test(name, async () => {
  const clock = new Clock(), service = new Service(), asked = [], fetched = globalThis.fetch
  globalThis.fetch = async (url, init) => {
    const request = { ...init, url: new URL(url), method: init.method ?? "GET" }
    asked.push(request)
    const path = request.url.pathname
    return path.endsWith("/topics") ? problem(404, "not_found") : answer(request, asked.length)
  }
  const client = new WatchClient("wss://service/live", { WebSocket: service.WebSocket, transport: overHTTP("https://service/live/", { only: true, streams: false, ...options.http }), ...options.client })
  try {
    await clock.rest()
    await run({ clock, service, client, asked })
  } finally {
    client.close()
    clock.stop()
    globalThis.fetch = fetched
  }
})

let failing = true
bubble("a publication that failed does not replace a later one", async ({ body, method }) => {
  if (method !== "POST") return problem(403, "forbidden")
  return failing && body.includes("first") ? problem(503, "unavailable") : json({ id: "a", mark: "m" })
}, async ({ clock, client, asked }) => {
  const first = client.publish("t", { id: "a", data: { of: "first" } }), second = client.publish("t", { id: "a", data: { of: "second" } })
  await clock.pass(100)
  failing = false
  await clock.pass(60_000)
  await Promise.all([first, second])
  const puts = asked.filter(r => r.method === "POST").map(r => JSON.parse(r.body).data.of)
  assert.equal(puts.at(-1), "second")
  assert.equal(new Set(puts).size, 2)
})

bubble("another token is fetched for one that was refused, and stands in no URL", async ({ headers }) => headers.Authorization === "Bearer two" ? json({ id: "a", mark: "m" }) : problem(401, "token_expired"), async ({ clock, client, asked }) => {
  const done = client.publish("t", { id: "a", data: {} })
  await clock.pass(1000)
  assert.equal((await done).mark, "m")
  assert.ok(asked.every(r => !/one|two/.test(r.url)))
}, { client: { token: (() => { const all = ["one", "two"]; return () => all.shift() ?? "two" })() } })

let seq = 1
bubble("a poll goes on from its cursor, and a watch that is refused ends", async ({ url }) => {
  if (url.pathname.endsWith("/secret")) return problem(403, "forbidden")
  const after = url.searchParams.get("after")
  if (after === "now" || after === `e:${seq}`) return json({ topic: "t", cursor: `e:${seq}`, changes: [] })
  return json({ topic: "t", cursor: `e:${seq}`, changes: [{ topic: "t", epoch: "e", seq, id: "i", op: "modified", data: {} }] })
}, async ({ clock, client }) => {
  const seen = []
  let error
  const follow = async topic => { for await (const { change } of client.watch(topic)) if (change) seen.push(change.seq) }
  follow("t")
  follow("secret").catch(e => { error = e.code })
  await clock.pass(1000)
  seq = 2
  await clock.pass(30_000)
  assert.deepEqual(seen, [2])
  assert.equal(error, "forbidden")
  assert.equal(client.state, "live")
})

bubble("it falls back after two WebSockets that fail, and goes back when one works", async () => json({ topic: "t", cursor: "e:1", changes: [] }), async ({ clock, service, client, asked }) => {
  for (let n = 0; n < 2; n++) {
    assert.equal(asked.length, 0)
    service.drop(1006)
    await clock.pass(2000)
  }
  const run = async () => { for await (const _ of client.watch("t")); }
  run()
  await clock.pass(1000)
  assert.equal(client.state, "live")
  const before = service.sockets.length
  await clock.pass(61_000)
  assert.equal(service.sockets.length, before + 1, "it does not try whether WebSockets work")
  service.accept()
  await clock.rest()
  const probe = service.newest.requests.pop()
  assert.equal(probe.action, "ping")
  service.say(JSON.stringify({ type: "pong", id: probe.id }))
  await clock.pass(1000)
  assert.deepEqual(service.newest.requests.map(r => [r.action, r.after]), [["subscribe", "e:1"]])
}, { http: { only: false } })

test("a read gives nothing if its etag still holds", async () => {
  const fetched = globalThis.fetch
  globalThis.fetch = async (url, { headers }) => {
    if (headers["If-None-Match"] === "W/x") return new Response(null, { status: 304 })
    const next = new URL(url).searchParams.get("next")
    return json({ topic: "t", cursor: "e:2", items: [{ id: next ?? "a" }], next: next ? "" : "b" }, 200, next ? {} : { ETag: "W/x" })
  }
  try {
    const items = await read("https://service/live", "t")
    assert.deepEqual(items, { items: [{ id: "a" }, { id: "b" }], cursor: "e:2", etag: "W/x" })
    assert.equal(await read("https://service/live", "t", { etag: items.etag }), undefined)
  } finally {
    globalThis.fetch = fetched
  }
})

/** An answer whose body brings these chunks, and then stays open until the request is aborted. */
const stream = (signal, ...chunks) => new Response(new ReadableStream({
  start: body => {
    for (const chunk of chunks) body.enqueue(typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk)
    signal.addEventListener("abort", () => body.error(signal.reason))
  },
}), { headers: { "Content-Type": "text/event-stream" } })
const isStream = ({ headers }) => headers.Accept === "text/event-stream"
const still = json({ topic: "t", cursor: "e:1", changes: [] })
const watch = (client, topic = "t") => {
  const seen = { changes: [], error: undefined }
  const run = async () => { for await (const { change } of client.watch(topic)) if (change) seen.changes.push(change) }
  run().catch(error => { seen.error = error.code ?? error })
  return seen
}
const streams = { http: { streams: true } }

bubble("topics are polled for long where something holds streams back", async r => isStream(r) ? stream(r.signal) : still.clone(), async ({ clock, client, asked }) => {
  watch(client)
  await clock.pass(60_000)
  const held = asked.filter(isStream)
  assert.equal(held.length, 2)
  assert.ok(held.every(r => r.signal.aborted), "a stream that is not read holds a connection")
  assert.ok(asked.some(r => r.url.searchParams.get("wait") === "25"))
}, streams)

const text = `id: e:3\r\nevent: changes\r\ndata: ${JSON.stringify({ type: "changes", changes: [2, 3].map(seq => ({ topic: "t", epoch: "e", seq, id: "é", op: "added", data: { text: "Zoë 🎈" } })) })}\r\n\r\n`
bubble("a stream may be torn at any byte", async r => {
  if (!isStream(r)) return still.clone()
  return stream(r.signal, "id: e:1\n\n", ...[...new TextEncoder().encode(text)].map(byte => new Uint8Array([byte])))
}, async ({ clock, client }) => {
  const seen = watch(client)
  await clock.pass(1000)
  for (let n = 0; n < 50; n++) await clock.rest()
  assert.deepEqual(seen.changes.map(c => [c.seq, c.id, c.data.text]), [[2, "é", "Zoë 🎈"], [3, "é", "Zoë 🎈"]])
}, streams)

for (const [what, chunk] of [["nonsense", "id: e:1\ndata: {\n\n"], ["an error", `id: e:1\ndata: {"type":"error","code":"unavailable","message":"no"}\n\n`], ["a line without an end", "id: e:1\n\ndata: " + "x".repeat(300_000)]]) {
  bubble(`a stream that brings ${what} is ended`, async r => isStream(r) ? stream(r.signal, chunk) : still.clone(), async ({ clock, client, asked }) => {
    watch(client)
    await clock.pass(2000)
    for (let n = 0; n < 20; n++) await clock.rest()
    assert.ok(asked.filter(isStream)[0].signal.aborted, "it holds a connection")
  }, streams)
}

bubble("an answer that is not the service's holds no connection", async () => new Response("<p>log in", { headers: { "Content-Type": "text/html" } }), async ({ clock, client, asked }) => {
  const seen = watch(client)
  await clock.pass(5000)
  assert.ok(asked.length > 1 && asked.every(r => r.signal.aborted))
  assert.equal(seen.error, undefined)
})

let refused = false
bubble("a token that polls are refused with ends the watches, and not a poll a second", async () => refused ? problem(401, "bad_token") : still.clone(), async ({ clock, client, asked }) => {
  const seen = watch(client)
  await clock.pass(1000)
  refused = true
  const before = asked.length
  await clock.pass(10 * 60_000)
  assert.equal(seen.error, "bad_token")
  assert.equal(client.state, "closed")
  assert.ok(asked.length - before < 100, `asked ${asked.length - before} times`)
}, { client: { token: () => "t" } })

let down = false
bubble("a service that is down is polled more and more rarely", async () => down ? problem(503, "unavailable") : still.clone(), async ({ clock, client, asked }) => {
  watch(client)
  await clock.pass(1000)
  down = true
  const before = asked.length
  await clock.pass(5 * 60_000)
  assert.ok(asked.length - before < 60, `asked ${asked.length - before} times`)
})

bubble("nothing is asked before the time that the service has named", async ({ method }) => method === "POST" ? json({ code: "too_many_requests", detail: "later" }, 429, { "Retry-After": "60" }) : still.clone(), async ({ clock, client, asked }) => {
  watch(client)
  await clock.pass(1000)
  const done = client.publish("t", { id: "a", data: {} })
  done.catch(() => {})
  await clock.pass(100)
  const before = asked.length
  await clock.pass(55_000)
  assert.equal(asked.length, before)
  await clock.pass(60_000)
  assert.ok(asked.filter(r => r.method === "POST").length > 1)
})

bubble("a publication that waits for another is not sent after the client was closed", async ({ signal, method }) => method === "POST" ? new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))) : still.clone(), async ({ clock, client, asked }) => {
  const all = ["first", "second"].map(of => client.publish("t", { id: "a", data: { of } }))
  const ended = Promise.allSettled(all)
  await clock.pass(100)
  client.close()
  await ended
  await clock.pass(1000)
  assert.deepEqual(asked.filter(r => r.method === "POST").map(r => JSON.parse(r.body).data.of), ["first"])
})

bubble("a client that was closed tries no WebSocket, and has none", async () => still.clone(), async ({ clock, service, client }) => {
  for (let n = 0; n < 2; n++) {
    service.drop(1006)
    await clock.pass(2000)
  }
  watch(client)
  for (let n = 0; n < 3; n++) { // a proxy takes the WebSocket, and ends it
    const before = service.sockets.length
    for (let n = 0; n < 600 && service.sockets.length === before; n++) await clock.pass(1000)
    await clock.rest()
    service.accept()
    await clock.rest()
    service.drop(1006)
    await clock.pass(20_000)
    assert.equal(service.sockets.length, before + 1, "it tries twice at once")
  }
  client.close()
  const before = service.sockets.length
  await clock.pass(3 * 3600_000)
  assert.equal(service.sockets.length, before)
}, { http: { only: false } })

bubble("a WebSocket that works again is closed if the client is closed before it moves there", async () => still.clone(), async ({ clock, service, client }) => {
  for (let n = 0; n < 2; n++) {
    service.drop(1006)
    await clock.pass(2000)
  }
  watch(client)
  const before = service.sockets.length
  for (let n = 0; n < 600 && service.sockets.length === before; n++) await clock.pass(1000)
  service.accept()
  await clock.rest()
  const { id } = service.newest.requests.pop()
  service.say(JSON.stringify({ type: "pong", id }))
  client.close()
  await clock.rest()
  assert.ok(service.newest.closed)
}, { http: { only: false, betterInterval: 1000 } })

test("a read that was aborted before asks for nothing", async () => {
  const fetched = globalThis.fetch
  let asked = 0
  globalThis.fetch = async () => (asked++, json({ topic: "t", cursor: "e:2", items: [] }))
  try {
    await assert.rejects(read("https://service/live", "t", { signal: AbortSignal.abort(new Error("left")) }), /left/)
    assert.equal(asked, 0)
  } finally {
    globalThis.fetch = fetched
  }
})
