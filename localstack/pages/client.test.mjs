// The client of shared/browser, in pages of a real browser.
import assert from "node:assert/strict"
import { test } from "node:test"
import { cable, open, put, until, url } from "./page.mjs"

const plain = "/_localstack/health"
const { RUN = "" } = process.env // tells the topics of several runs apart that share a stack
const topicURL = topic => `${url}/live/topics/${topic}`

/** Watches a topic in a page, which notes what it sees in globalThis.seen. transport is tabs, http or nothing. */
const watch = (page, topic, { transport, blocked, ...options } = {}) => page.evaluate(async ({ topic, transport, blocked, options }) => {
  const [{ WatchClient }, { overTabs }, { overHTTP }] = await Promise.all(["watchroute", "tabs", "http"].map(f => import(`/browser/${f}.js`)))
  const live = location.origin + "/live", seen = globalThis.seen = { ids: [], states: [], error: undefined }
  globalThis.blocked = blocked
  class Socket extends WebSocket { // one that a proxy on the way blocks, if it is to
    constructor(...given) {
      super(...given)
      if (globalThis.blocked) this.close()
    }
  }
  const client = globalThis.client = new WatchClient(live.replace("http", "ws"), {
    WebSocket: Socket, transport: transport && { tabs: () => overTabs({ subject: "ada" }), http: () => overHTTP(live, { betterInterval: 1000 }) }[transport](),
  })
  client.addEventListener("state", () => seen.states.push(client.state))
  const run = async () => {
    try {
      for await (const { change, page } of client.watch(topic, options)) {
        for (const item of page?.items ?? []) seen.ids.push(item.id)
        if (change) seen.ids.push(change.id)
      }
    } catch (error) {
      seen.error = String(error.code ?? error)
    }
  }
  run()
}, { topic, transport, blocked, options })

const seen = page => page.evaluate(() => globalThis.seen)
const ids = async page => (await seen(page)).ids.join(" ")
const live = page => until("the client is live", () => page.evaluate(() => globalThis.client.state === "live" && globalThis.seen.states.includes("behind")))

/** The sockets that pages have opened, as long as they are open. */
const sockets = (...pages) => {
  const all = new Set()
  for (const page of pages) {
    page.on("websocket", s => {
      all.add(s)
      s.on("close", () => all.delete(s))
    })
    page.on("close", () => { for (const s of all) if (s.page === page) all.delete(s) })
  }
  return all
}

// What tells a page that it has slept: it is shown, while no timer has run yet, or a timer that is late.
const sleep = 15 * 60_000
const wakings = {
  "is shown": async page => {
    await page.clock.setSystemTime(Date.now() + sleep)
    await page.clock.resume()
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")))
  },
  "has a late timer": async page => {
    await page.clock.fastForward(sleep)
    await page.clock.resume()
  },
}
for (const [waking, wake] of Object.entries(wakings)) {
  test(`a page that has slept for 15 minutes and ${waking} shows the right state within a second`, async t => {
    let took = Infinity
    for (let attempt = 1; attempt <= 3 && took >= 1000; attempt++) { // the machine may be busy once
      const way = await cable(t), topic = `client-sleeps-${waking.replaceAll(" ", "-")}-${attempt}${RUN}`
      const page = await open(t, plain, { base: way.url, allow: /net::ERR|WebSocket/ })
      await page.clock.install()
      await watch(page, topic, { snapshot: true })
      await live(page)
      await put(topic, "a", { n: 1 })
      await until("the change comes", async () => await ids(page) === "a")
      await page.clock.pauseAt(Date.now() + 1000)
      way.hush()
      for (const id of ["b", "c"]) await put(topic, id, { n: 1 })
      way.lose()
      const woken = Date.now()
      await wake(page)
      await until("it has seen all", async () => await ids(page) === "a b c")
      took = Date.now() - woken
    }
    t.diagnostic(`it took ${took} ms`)
    assert.ok(took < 1000, `it took ${took} ms`)
  })
}

test("two tabs have one connection, and nothing is lost or repeated when the one that leads is closed", async t => {
  const first = await open(t, plain), opened = sockets(first), topic = `client-tabs${RUN}`
  await watch(first, topic, { transport: "tabs" })
  await live(first)
  const second = await open(t, plain, { context: first.context() }), others = sockets(second)
  await watch(second, topic, { transport: "tabs" })
  await live(second)
  assert.equal(opened.size, 1)
  assert.equal(others.size, 0, "the second tab has a connection of its own")
  let n = 0
  const write = async count => { for (const end = n + count; n < end; n++) await put(topic, `i${n}`, { n }) }
  const all = () => Array.from({ length: n }, (_, i) => `i${i}`).join(" ")
  await write(5)
  for (const page of [first, second]) await until("both tabs see all", async () => await ids(page) === all())
  const writing = write(40)
  await first.close()
  await writing
  await until("the second tab sees all, once and in order", async () => await ids(second) === all())
  assert.equal(others.size, 1, "the second tab leads now")
  const { mark } = await second.evaluate(topic => globalThis.client.publish(topic, { id: "last", data: {} }), topic)
  assert.ok(mark)
  await until("its own item comes", async () => await ids(second) === all() + " last")
})

test("a tab that leaves a topic takes it from no other tab", async t => {
  const first = await open(t, plain), topic = `client-tabs-leave${RUN}`
  await watch(first, topic, { transport: "tabs" })
  await live(first)
  const second = await open(t, plain, { context: first.context() })
  await watch(second, topic, { transport: "tabs" })
  await live(second)
  await second.evaluate(() => globalThis.client.close())
  await put(topic, "a", {})
  await until("the first tab sees it", async () => await ids(first) === "a")
})

test("where WebSockets are blocked, a page watches and publishes over HTTP, and goes back when they work", async t => {
  const page = await open(t, plain, { allow: /WebSocket|404/ }), topic = "client-http"
  await put(topic, "a", { n: 1 })
  await watch(page, topic, { transport: "http", blocked: true, snapshot: true })
  await until("the items come", async () => await ids(page) === "a")
  const asked = []
  page.on("request", r => asked.push(r))
  await put(topic, "b", { n: 1 })
  await until("a change comes", async () => await ids(page) === "a b")
  await page.evaluate(topic => globalThis.client.publish(topic, { id: "c", data: {} }), topic)
  await until("its own item comes", async () => await ids(page) === "a b c")
  assert.ok(!asked.some(r => /token/.test(r.url())), "a token is in a URL")
  await page.evaluate(() => { globalThis.blocked = false })
  const socket = page.waitForEvent("websocket", { predicate: s => new Promise(done => s.on("framereceived", () => done(true))) })
  await socket
  await put(topic, "d", {})
  await until("a change comes over the WebSocket", async () => await ids(page) === "a b c d")
})

test("items that are read once are not read again as long as they are the same", async t => {
  const page = await open(t, plain), topic = "client-read"
  for (const id of ["a", "b"]) await put(topic, id, { n: 1 })
  const read = etag => page.evaluate(async ({ topic, etag }) => (await import("/browser/http.js")).read(location.origin + "/live", topic, { etag }), { topic, etag })
  let items
  await until("both changes have a number", async () => /:2$/.test((items = await read()).cursor))
  assert.deepEqual(items.items.map(i => i.id), ["a", "b"])
  assert.equal(await read(items.etag), undefined)
  await put(topic, "c", { n: 1 })
  await until("the third item is read", async () => (await read(items.etag))?.items.length === 3) // once its change has a number
})

test("a page that is loaded again goes on from the cursor that it has kept", async t => {
  const page = await open(t, plain), topic = "client-kept"
  const begin = () => page.evaluate(async topic => {
    const [{ WatchClient }, { watchOn }] = await Promise.all(["watchroute", "storage"].map(f => import(`/browser/${f}.js`)))
    const client = globalThis.client = new WatchClient(location.origin.replace("http", "ws") + "/live")
    const run = async () => {
      for await (const { change } of watchOn(client, topic)) if (change) localStorage.seen = (localStorage.seen ?? "") + change.id + " "
    }
    run()
  }, topic)
  const kept = () => page.evaluate(() => localStorage.seen ?? "")
  await begin()
  await until("it is live", () => page.evaluate(() => globalThis.client.state === "live"))
  await until("it watches", async () => {
    await put(topic, "a", { at: Date.now() })
    return /a/.test(await kept())
  })
  const before = await kept()
  await page.reload()
  await put(topic, "b", {})
  await put(topic, "c", {})
  await begin()
  await until("what came meanwhile comes", async () => /b c $/.test(await kept()))
  assert.ok((await kept()).startsWith(before))
  const repeated = (await kept()).match(/b/g)
  assert.equal(repeated.length, 1)
})

// A headless Chromium keeps no page in its back-forward cache, so the page is told what it would be told.
for (const transport of [undefined, "tabs"]) {
  test(`a page that is put away has no connection, and goes on when it comes back (${transport ?? "alone"})`, async t => {
    const page = await open(t, plain), opened = sockets(page), topic = `client-away-${transport ?? "alone"}${RUN}`
    const tell = name => page.evaluate(name => dispatchEvent(new PageTransitionEvent(name, { persisted: true })), name)
    const locks = () => page.evaluate(async () => (await navigator.locks.query()).held.length)
    await watch(page, topic, { transport, snapshot: true })
    await live(page)
    assert.equal(opened.size, 1)
    assert.equal(await locks(), transport ? 2 : 0)
    await tell("pagehide")
    assert.equal(await page.evaluate(() => globalThis.client.state), "offline")
    await until("it has no connection", () => opened.size === 0)
    assert.equal(await locks(), 0, "a lock bars the back-forward cache")
    await put(topic, "a", {})
    await tell("pageshow")
    await until("it has seen what came meanwhile", async () => await ids(page) === "a")
  })
}

test("a tab that is frozen gives up the lead, and nothing is lost or repeated", async t => {
  const first = await open(t, plain), topic = `client-tabs-frozen${RUN}`
  await watch(first, topic, { transport: "tabs" })
  await live(first)
  const second = await open(t, plain, { context: first.context() }), opened = sockets(second)
  await watch(second, topic, { transport: "tabs" })
  await live(second)
  await put(topic, "a", {})
  for (const page of [first, second]) await until("both see it", async () => await ids(page) === "a")
  const tell = name => first.evaluate(name => document.dispatchEvent(new Event(name)), name) // it does not bubble
  await tell("freeze")
  await until("the second tab leads", () => opened.size === 1)
  await put(topic, "b", {})
  await until("the second tab sees it", async () => await ids(second) === "a b")
  await tell("resume")
  await until("the first tab sees it, too", async () => await ids(first) === "a b")
})

test("a tab that leads and does not answer any more is replaced", async t => {
  const first = await open(t, plain), topic = `client-tabs-hung${RUN}`
  await watch(first, topic, { transport: "tabs" })
  await live(first)
  const second = await open(t, plain, { context: first.context() })
  await watch(second, topic, { transport: "tabs" })
  await live(second)
  const hangs = first.waitForEvent("console"), hung = first.evaluate(() => {
    console.log("it hangs")
    for (const end = Date.now() + 14_000; Date.now() < end; );
    return Date.now()
  })
  await hangs // or the first tab may still relay what comes
  await put(topic, "a", {})
  await until("the second tab sees it", async () => await ids(second) === "a", 20_000)
  const saw = Date.now()
  assert.ok(saw < await hung, "the second tab has waited for the first")
  await put(topic, "b", {})
  for (const page of [first, second]) await until("both see it", async () => await ids(page) === "a b")
})

test("when the tab that leads crashes, the others go on with one connection", async t => {
  const first = await open(t, plain, { allow: /crashed/ }), topic = `client-tabs-crash${RUN}`, others = []
  for (let n = 0; n < 2; n++) others.push(await open(t, plain, { context: first.context() }))
  const opened = sockets(...others)
  for (const page of [first, ...others]) {
    await watch(page, topic, { transport: "tabs" })
    await live(page)
  }
  await put(topic, "a", {})
  for (const page of [first, ...others]) await until("all see it", async () => await ids(page) === "a")
  assert.equal(opened.size, 0)
  const crashed = first.waitForEvent("crash"), devtools = await first.context().newCDPSession(first)
  devtools.send("Page.crash").catch(() => {}) // nobody is left to answer
  await crashed
  await put(topic, "b", {})
  for (const page of others) await until("the others see it, once", async () => await ids(page) === "a b")
  assert.equal(opened.size, 1)
})

// Locks of two processes come in any order. The leader waits for that of a tab, to hear when the tab is gone.
test("a tab whose own lock comes late is not taken for one that is gone", async t => {
  const first = await open(t, plain), topic = `client-tabs-late${RUN}`
  await watch(first, topic, { transport: "tabs" })
  await live(first)
  const second = await open(t, plain, { context: first.context() })
  await second.evaluate(() => {
    const { request } = LockManager.prototype
    LockManager.prototype.request = async function (name, ...rest) {
      if (/ \d+-\d+$/.test(name)) await new Promise(wake => setTimeout(wake, 500))
      return request.call(this, name, ...rest)
    }
  })
  await watch(second, topic, { transport: "tabs" })
  await live(second)
  await put(topic, "a", {})
  for (const page of [first, second]) await until("both see it", async () => await ids(page) === "a")
  assert.deepEqual((await seen(second)).states, ["behind", "live"])
})
