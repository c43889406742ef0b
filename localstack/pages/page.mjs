// What the tests of pages share. `make browser` sets the variables of the environment.
//
//   test("…", async t => {
//     const page = await open(t, "/examples/chat/", { width: 390, dark: true })   // a Page of Playwright
//     await axe(page)
//     await shot(page, "chat-narrow-dark")
//   })
//
// A test fails if its page writes an error to its console, throws one that nobody catches, or violates
// its content security policy.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import net from "node:net"
import { join } from "node:path"
import { after } from "node:test"

const { WATCHROUTE_URL, CHROMIUM, NPM, SCREENS, PATIENCE = 20_000, EDIT } = process.env
if (!WATCHROUTE_URL) throw new Error("run `make browser`: it starts the stack that these tests need")

const packages = createRequire(NPM + "/")

/** Where the stack is, such as http://127.0.0.1:4566. */
export const url = WATCHROUTE_URL

let running

/** The Chromium of this file. It ends with the file's tests. */
export const browser = () => (running ??= packages("playwright-core").chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] }))

after(async () => (await running)?.close())

/**
 * Opens a path of the stack in a browser context of its own, until the test ends.
 *
 * width and height are those of the page, in pixels; below 500 it is a phone's, with touch. base is
 * where the stack is: that of a cable, for a network that breaks. context is one that a page before has
 * (page.context()), for a second tab. allow matches the errors that may happen; without it none may.
 */
export const open = async (t, path, { width = 1280, height = width < 500 ? 844 : 800, dark = false, base = url, context, allow } = {}) => {
  const phone = width < 500
  const own = context ?? await (await browser()).newContext({
    viewport: { width, height }, colorScheme: dark ? "dark" : "light", baseURL: base,
    deviceScaleFactor: phone ? 2 : 1, hasTouch: phone, isMobile: phone,
  })
  if (EDIT && !context) await breakIt(own)
  const page = await own.newPage()
  const errors = []
  const fail = text => { if (!allow?.test(text)) errors.push(text) }
  page.on("console", m => { if (m.type() === "error") fail(`console: ${m.text()} (${m.location().url})`) })
  page.on("pageerror", e => fail(`thrown: ${e.stack ?? e}`))
  page.on("crash", () => fail("the page has crashed"))
  await page.addInitScript(() => addEventListener("securitypolicyviolation", e => console.error(`content security policy: ${e.violatedDirective} refuses ${e.blockedURI || "this"} in ${e.sourceFile}:${e.lineNumber}`)))
  t.after(async () => {
    await (context ? page : own).close()
    assert.deepEqual(errors, [], `${path} has errors`)
  })
  const answer = await page.goto(path)
  assert.equal(answer.status(), 200, `${path} is answered ${answer.status()}`)
  return page
}

/** Has the pages of a context get a file with the edit of a mutant: { path, old, new }, of which old stands there once. */
const breakIt = context => {
  const edit = JSON.parse(EDIT)
  return context.route("**" + edit.path, async route => {
    const response = await route.fetch(), parts = (await response.text()).split(edit.old)
    if (parts.length !== 2) throw new Error(`${edit.path} has the text ${parts.length - 1} times`)
    await route.fulfill({ response, body: parts.join(edit.new) })
  })
}

/** Takes a picture of what the page shows into .build/screens/NAME.png; full is all of it, however long. */
export const shot = (page, name, { full = false } = {}) => page.screenshot({ path: join(SCREENS, name + ".png"), fullPage: full, animations: "disabled" })

const source = readFileSync(packages.resolve("axe-core/axe.min.js"), "utf8")

/** Has axe look at a page. It fails for what is serious or critical to somebody who cannot see or point well. */
export const axe = async page => {
  await page.evaluate(source)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }))
  const found = violations.filter(v => ["serious", "critical"].includes(v.impact)).map(v =>
    `${v.impact}: ${v.help} (${v.helpUrl})` + v.nodes.map(n => `\n    ${n.target.join(" ")}\n      ${n.failureSummary.replaceAll("\n", "\n      ")}`).join(""))
  assert.equal(found.length, 0, `${page.url()} is hard to use for some people:\n\n${found.join("\n\n")}`)
}

/** Puts an item, as a back end does. */
export const put = async (topic, id, data, more = {}) => {
  const answer = await fetch(`${url}/live/topics/${topic}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ id, data, ...more }) })
  assert.ok(answer.ok, `put ${topic} ${id}: ${answer.status} ${await answer.clone().text()}`)
}

/** Puts many items, at the pace that the service allows. */
export const putAll = async (topic, items) => {
  for (let left = items; left.length > 0; ) {
    const now = left.slice(0, 25)
    const answer = await fetch(`${url}/live/topics/${topic}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ items: now }) })
    const { results = [] } = await answer.json()
    const done = new Set(results.filter(r => !r.error).map(r => r.id))
    assert.ok(answer.ok || answer.status === 429, `put items of ${topic}: ${answer.status}`)
    left = left.filter(item => !done.has(item.id))
    if (done.size < now.length) await new Promise(again => setTimeout(again, 1000))
  }
}

/** Removes an item. */
export const remove = async (topic, id) => {
  const answer = await fetch(`${url}/live/topics/${topic}?id=${encodeURIComponent(id)}`, { method: "DELETE" })
  assert.ok(answer.ok, `remove ${topic} ${id}: ${answer.status}`)
}

/** Waits until a condition is true. It may be asynchronous, and what it throws counts as false. */
export const until = async (what, condition, milliseconds = Number(PATIENCE)) => {
  let last
  for (const end = Date.now() + milliseconds; Date.now() < end; await new Promise(done => setTimeout(done, 50))) {
    try {
      if (await condition()) return
    } catch (error) {
      last = error
    }
  }
  assert.fail(`not within ${milliseconds} ms: ${what}${last ? `: ${last}` : ""}`)
}

/**
 * A way to the stack that can be cut, for open(…, { base: cable.url }).
 *
 * cut ends all connections, and refuses others until mend. hush keeps them open, but nothing comes
 * through, as when a phone sleeps; mend ends these, as the stack would have done. lose is a mend after
 * which they stay open and silent, because the network has forgotten them.
 */
export const cable = async t => {
  const pairs = new Set(), lost = new Set() // of sockets
  let state = "whole"
  const { hostname, port } = new URL(url)
  const end = () => { for (const pair of pairs) for (const s of pair) s.destroy() }
  const server = net.createServer(near => {
    if (state === "cut") return near.destroy()
    const far = net.connect(Number(port), hostname), pair = [near, far]
    pairs.add(pair)
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on("data", chunk => { if (state === "whole" && !lost.has(from)) to.write(chunk) })
      from.on("error", () => {}) // the close follows
      from.on("close", () => { to.destroy(); pairs.delete(pair) })
    }
  })
  await new Promise(done => server.listen(0, "127.0.0.1", done))
  t.after(() => { server.close(); end() })
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => { state = "cut"; end() },
    hush: () => { state = "hushed" },
    mend: () => { if (state === "hushed") end(); state = "whole" },
    lose: () => { for (const pair of pairs) for (const s of pair) lost.add(s); state = "whole" },
  }
}
