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
