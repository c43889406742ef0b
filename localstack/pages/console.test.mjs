// The console's main ways.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { tmpdir } from "node:os"
import { test } from "node:test"
import { axe, cable, open, put, shot, until, url } from "./page.mjs"

const see = (page, text) => page.getByText(text).first().waitFor({ timeout: 10_000 })
const change = (name, body) => fetch(`${url}/_localstack/${name}`, { method: "POST", headers: { "Content-Type": "application/json", Origin: url }, body: JSON.stringify(body) })
/** Prices of a topic, one after the other. */
const prices = async (topic, n) => { for (let i = 1; i <= n; i++) await put(topic, "quote", { price: 150 + i, bid: { size: i % 3 } }) }

test("a topic is watched live, and its past is there", async t => {
  await prices("console/live", 5)
  const page = await open(t, "/#/topic/console/live")
  await see(page, "155")
  await put("console/live", "quote", { price: 171, bid: { size: 0 } })
  await page.locator("ins", { hasText: "171" }).waitFor()
  await page.locator("del", { hasText: "155" }).waitFor()
  await see(page, /Nothing is missing/)
  await axe(page)
  await shot(page, "console-topic")
  await page.getByRole("tab", { name: "Past" }).click()
  await see(page, /The log reaches from 1 to 6/)
  await page.getByLabel("Number of the change").fill("2")
  await see(page, /The 1 item after change 2 of 6/)
  await page.getByRole("cell", { name: /"price":152/ }).waitFor()
  await axe(page)
  await shot(page, "console-past")
})

test("an item is published, only if it is new, and removed", async t => {
  const page = await open(t, "/#/topic/console/publish", { allow: /412/ })
  await page.getByRole("tab", { name: "Publish" }).click()
  await page.getByLabel("Id", { exact: true }).fill("x1")
  await page.getByRole("button", { name: "Put", exact: true }).click()
  await see(page, "Put x1.")
  await page.getByLabel("Only if it is new").check()
  await page.getByRole("button", { name: "Put", exact: true }).click()
  await see(page, /412/)
  await axe(page)
  await shot(page, "console-publish")
  await page.getByRole("button", { name: "Remove the item" }).click()
  await see(page, "Removed x1.")
  await page.getByRole("tab", { name: "Live" }).click()
  await see(page, "removed")
})

test("data of users is text, whatever it is", async t => {
  await put("console/evil", "<img src=x onerror=alert(1)>", { "<b>": "<script>alert(1)</script>" })
  const page = await open(t, "/#/topic/console/evil")
  await see(page, "<script>alert(1)</script>")
  assert.equal(await page.locator("main img, main script, main b").count(), 0)
})

test("a filter shows what matches", async t => {
  const page = await open(t, "/#/topic/console/filter")
  await page.getByRole("tab", { name: "Options" }).click()
  await page.getByLabel(/^Filter/).fill('{"price":[{"numeric":[">",100]}]}')
  await page.getByRole("button", { name: "Watch with these" }).click()
  await page.getByRole("tab", { name: "Live" }).click()
  await put("console/filter", "low", { price: 1 })
  await put("console/filter", "high", { price: 200 })
  await page.getByRole("region", { name: "Items" }).getByText("high").waitFor()
  assert.equal(await page.getByRole("region", { name: "Items" }).getByText("low", { exact: true }).count(), 0)
})

test("topics are found and sorted by keys alone", async t => {
  await Promise.all([1, 2, 3].map(n => put(`console/find/${n}`, "i", { n })))
  const page = await open(t, "/#/topics")
  await see(page, "console/find/1")
  await page.keyboard.press("/")
  await page.keyboard.type("console/find/2")
  await until("one is found", async () => await page.locator("tbody tr").count() === 1)
  await axe(page)
  await shot(page, "console-topics")
  await page.getByLabel("Find topics").blur()
  await page.keyboard.press("g")
  await page.keyboard.press("f")
  await see(page, "Send a frame")
  await page.keyboard.press("?")
  await see(page, "Find in this view")
  await axe(page)
  await shot(page, "console-keys")
})

test("a frame is sent and explained, and its connection is cut", async t => {
  const page = await open(t, "/#/frames")
  await page.getByLabel("Frame", { exact: true }).fill('{"action":"subscribe","id":"q1","topic":"console/frames"}')
  await page.getByRole("button", { name: "Send" }).click()
  await see(page, /Watching console\/frames: changes follow after seq 0/)
  await put("console/frames", "a", { n: 1 })
  await see(page, "Change 1 of console/frames: a was added.")
  await axe(page)
  await shot(page, "console-frames")
  await page.getByRole("link", { name: /^Connections/ }).click()
  const row = page.getByRole("row", { name: /console\/frames/ })
  await row.waitFor()
  await axe(page)
  await shot(page, "console-connections")
  await row.getByRole("button", { name: /^Cut/ }).click()
  await row.waitFor({ state: "detached" })
  await page.getByRole("link", { name: "Frames" }).click()
  await see(page, /The connection is closed \(1006\)/)
})

// The frames are lost in front of this page, because other files test at the same stack. That the stack's own
// faults can be switched is tested in Go.
test("frames are lost, and the client heals", async t => {
  const page = await open(t, "/", { dark: true })
  let lose = 0 // how many frames with changes
  await page.routeWebSocket(/\/live$/, socket => {
    const server = socket.connectToServer()
    server.onMessage(frame => { if (!frame.includes('"changes"') || lose-- <= 0) socket.send(frame) })
  })
  await page.goto(url + "/#/topic/console/heal")
  await page.reload()
  await see(page, "The topic has no items.")
  await page.getByText("live", { exact: true }).waitFor()
  await prices("console/heal", 2)
  await see(page, /Nothing is missing/)
  lose = 1 // the answer to the client's question about it must come
  await prices("console/heal", 16)
  await put("console/heal", "quote", { price: 999 })
  await page.getByRole("region", { name: "Items" }).getByText("999").waitFor()
  await see(page, /Nothing is missing, [0-9]+ healed/)
  await shot(page, "console-heal-dark")
})

test("faults are switched on and off", async t => {
  t.after(() => change("faults", { rates: { "idle-cut": 0 } }))
  const page = await open(t, "/#/faults")
  const range = page.getByLabel("How often idle-cut")
  await range.focus()
  await page.keyboard.press("ArrowRight")
  await see(page, /faults on/)
  await axe(page)
  await shot(page, "console-faults")
  await page.getByRole("button", { name: "All off" }).click()
  await page.getByText(/faults on/).waitFor({ state: "hidden" })
})

test("a token is made, spelled out, and used", async t => {
  const page = await open(t, "/#/token")
  await page.getByLabel("Topics and patterns, separated by spaces").fill("console/token/*")
  await page.getByLabel("Hide these members").fill("secret")
  await see(page, "May watch and read the items of the topics directly below console/token. Never sees secret.")
  await page.getByRole("button", { name: "Make the token" }).click()
  await page.getByRole("button", { name: "Use this token in the console" }).waitFor()
  await axe(page)
  await shot(page, "console-token")
  await page.getByRole("button", { name: "Use this token in the console" }).click()
  await see(page, "the console is ada")
  await put("console/token/1", "a", { open: 1, secret: "x42x" })
  await page.goto(url + "/#/topic/console/token/1")
  await page.getByRole("region", { name: "Items" }).getByText('"open":1').waitFor()
  assert.equal(await page.getByText("x42x").count(), 0)
  await page.goto(url + "/#/topic/console/other")
  await see(page, /The watch has ended/)
})

test("costs and destinations", async t => {
  await put("console/costs", "a", { n: 1 })
  const page = await open(t, "/#/costs")
  await see(page, "at list price")
  await page.getByRole("cell", { name: /write units/ }).first().waitFor()
  await axe(page)
  await shot(page, "console-costs")
  await page.getByRole("link", { name: "Destinations" }).click()
  await see(page, "None yet")
  await axe(page)
  await shot(page, "console-destinations")
})

for (const dark of [false, true]) test(`on a phone${dark ? ", in the dark" : ""}`, async t => {
  await prices("console/phone", 3)
  const page = await open(t, "/#/topic/console/phone", { width: 390, dark })
  for (const view of ["topic/console/phone", "topics", "frames", "connections", "costs", "faults", "token"]) {
    await page.goto(url + "/#/" + view)
    await page.waitForTimeout(400)
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} is wider than the phone`)
    await axe(page)
    await shot(page, `console-${view.split("/")[0]}-narrow${dark ? "-dark" : ""}`)
  }
})

test("the first minute", async t => {
  const page = await open(t, "/")
  // other files have topics already: this one sees the stack as it is at first
  await page.route("**/_localstack/topics*", route => route.fulfill({ json: { at: Date.now(), topics: [], more: false } }))
  await page.reload()
  await page.getByRole("button", { name: "Put a first item" }).click()
  await see(page, /Change \d+ arrived: quote was (added|modified)/)
  await axe(page)
  await shot(page, "console-welcome")
  await page.emulateMedia({ colorScheme: "dark" })
  await axe(page)
  await shot(page, "console-welcome-dark")
  await page.setViewportSize({ width: 390, height: 844 })
  await axe(page)
  await shot(page, "console-welcome-narrow-dark")
})

test("5,000 topics and a long topic do not stop the page", async t => {
  const page = await open(t, "/")
  await page.route("**/_localstack/topics*", route => route.fulfill({ json: { at: Date.now(), more: true, topics: Array.from({ length: 5000 }, (_, i) => ({ topic: `many/${i}`, epoch: "e", seq: i, items: 1, watchers: 0 })) } }))
  await page.reload()
  await see(page, "4,800 more.")
  const took = await page.evaluate(async () => {
    const began = performance.now()
    document.querySelector("th button").click()
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)))
    return performance.now() - began
  })
  assert.ok(took < 1000, `sorting took ${took} ms`)
  assert.equal(await page.locator("tbody tr").count(), 200)
})

test("an address that somebody has typed wrongly is a topic like another", async t => {
  const page = await open(t, "/#/topic/console/100%25%")
  await see(page, /The watch has ended: topic has the character/)
})

/** The arguments of the program that a command calls, as the shell reads it. */
const argumentsOf = command => execFileSync("sh", ["-c", `curl() { printf '%s\\n' "$@"; }; npx() { curl "$@"; }; aws() { curl "$@"; }\n${command}`], { encoding: "utf8", cwd: tmpdir() }).trimEnd().split("\n")

test("a command to copy runs nothing that stands in the name of a topic", async t => {
  const name = "a';echo caught;'$(echo caught)"
  const page = await open(t, "/#/topic/" + encodeURIComponent(name))
  await page.evaluate(() => { globalThis.copied = []; navigator.clipboard.writeText = async text => copied.push(text) })
  await page.getByRole("tab", { name: "Publish" }).click()
  for (const as of ["wscat", "curl", "aws cli"]) await page.getByRole("button", { name: as }).click()
  await page.getByRole("link", { name: "Frames" }).click()
  await page.getByLabel("Frame", { exact: true }).fill(JSON.stringify({ action: "subscribe", id: "q1", topic: name }))
  for (const as of ["wscat", "curl"]) await page.getByRole("button", { name: as }).click()
  const copied = await page.evaluate(() => globalThis.copied)
  assert.equal(copied.length, 5)
  for (const command of copied) {
    const given = argumentsOf(command)
    assert.ok(!given.includes("caught"), `${command}\nruns a part of the name: ${given}`)
  }
  assert.deepEqual(JSON.parse(argumentsOf(copied[3]).at(-1)), { action: "subscribe", id: "q1", topic: name })
  await page.getByLabel("Frame", { exact: true }).fill("{")
  await page.getByRole("button", { name: "curl" }).click()
  await see(page, /There is nothing to copy: /)
})

test("time travel begins at the last change", async t => {
  const page = await open(t, "/")
  // of a log with so many changes only numbers matter here
  await page.route("**/_localstack/log*", route => route.fulfill({ json: { topic: "console/late", epoch: "e", first: 1, last: 106_008, changes: [] } }))
  await page.route("**/_localstack/then*", route => route.fulfill({ json: { topic: "console/late", epoch: "e", seq: 106_008, last: 106_008, more: false, items: [] } }))
  await page.goto(url + "/#/topic/console/late")
  await page.getByRole("tab", { name: "Past" }).click()
  await see(page, /The log reaches from 1 to 106008/)
  assert.equal(await page.getByLabel("Change", { exact: true }).inputValue(), "106008")
})

test("a token shows other values, and says how long destinations live", async t => {
  const page = await open(t, "/#/token")
  await page.getByLabel("Topics and patterns, separated by spaces").fill("console/mask/* @presence/rooms/*")
  await page.getByLabel("Show these values instead (JSON)").fill('{"card":"****"}')
  await page.getByLabel("deliver", { exact: true }).check()
  await page.getByLabel("Destinations live for, in seconds").fill("604800")
  await see(page, /the topics directly below console\/mask and who is present in the topics directly below rooms\. Sees "\*\*\*\*" in place of card\./)
  await see(page, "A destination that it registers lives for 7 days")
  await page.getByRole("button", { name: "Make the token" }).click()
  await page.getByRole("button", { name: "Use this token in the console" }).click()
  await put("console/mask/1", "a", { open: 1, card: "4111" })
  await page.goto(url + "/#/topic/console/mask/1")
  await page.getByRole("region", { name: "Items" }).getByText('"card":"****"').waitFor()
  await page.goto(url + "/#/token")
  await page.getByLabel("Show these values instead (JSON)").fill("no JSON")
  await see(page, "What a rule shows instead is not a JSON object")
})

test("a list that is cut off says so", async t => {
  const page = await open(t, "/")
  await page.route("**/_localstack/connections*", route => route.fulfill({ json: { at: Date.now(), more: true, connections: [{ id: "c1", subject: "ada", since: 0, open: true, subscriptions: [] }] } }))
  await page.route("**/_localstack/destinations*", route => route.fulfill({ json: { more: true, destinations: [] } }))
  await page.goto(url + "/#/connections")
  await see(page, /looks at 2,000 rows of a table: there are more/)
  await page.goto(url + "/#/destinations")
  await see(page, /looks at 2,000 rows of the table: there are more/)
})

test("a stack that is gone is missed, and found again", async t => {
  const way = await cable(t)
  const page = await open(t, "/#/costs", { base: way.url, allow: /ERR_|WebSocket|fetch/ })
  await see(page, "at list price")
  way.cut()
  await see(page, /The stack does not answer/)
  await shot(page, "console-away")
  way.mend()
  await page.getByText(/The stack does not answer/).waitFor({ state: "hidden" })
})

test("webhooks received look like the rest", async t => {
  const page = await open(t, "/_localstack/webhooks", { width: 390, dark: true })
  await see(page, "Webhooks received")
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it is wider than the phone")
  await axe(page)
  await shot(page, "console-webhooks-narrow-dark")
})

test("a token that is over, or refused, is told and can be left", async t => {
  const page = await open(t, "/#/topic/console/refused", { allow: /WebSocket/ })
  const use = async token => { await page.evaluate(text => sessionStorage.setItem("token", text), token); await page.reload() }
  const { token } = await (await change("token", { sub: "eve", seconds: 1, claim: { v: 1, allow: [{ topics: ["console/*"], actions: ["subscribe", "read"] }] } })).json()
  await use(token)
  await see(page, "The token of eve has expired.")
  await axe(page)
  await use([token.split(".")[0], Buffer.from('{"sub":"eve"}').toString("base64url"), "AAAA"].join("."))
  await see(page, /it may refuse the token of eve/)
  await see(page, "Its items have not come yet.")
  await shot(page, "console-refused")
  await page.getByRole("button", { name: "Be anonymous again" }).click()
  await page.getByText(/it may refuse the token/).waitFor({ state: "hidden" })
  await page.getByText("live", { exact: true }).waitFor()
})
