// The reference that `make docs` makes of the contracts.
import assert from "node:assert/strict"
import { join } from "node:path"
import { test } from "node:test"
import { pathToFileURL } from "node:url"
import { axe, browser, open, shot, url } from "./page.mjs"

const { docs } = await (await fetch(`${url}/_localstack/about`)).json()
const skip = !docs && "run `make docs`"
const see = (page, text) => page.getByText(text).first().waitFor({ timeout: 20_000 })

/** Opens a page of the reference, and fails for each request that is not to the stack. */
const quiet = async (t, path, options) => {
  const page = await open(t, "/docs/", { ...options, allow: /refuses eval/ }), elsewhere = [] // its search tries whether it could be a worker
  page.on("request", request => { if (!request.url().startsWith(url + "/") && !request.url().startsWith("data:")) elsewhere.push(request.url()) })
  await page.goto(path)
  t.after(() => assert.deepEqual(elsewhere, [], `${path} asks others`))
  return page
}

test("the reference is found from the console, and leads to both documents", { skip }, async t => {
  const page = await open(t, "/", { allow: /refuses eval/ })
  await page.getByRole("link", { name: "Reference" }).click()
  await see(page, "Over a WebSocket")
  await axe(page)
  await shot(page, "docs")
  for (const [name, kind] of [["openapi.json", "openapi"], ["asyncapi.json", "asyncapi"]]) {
    const text = await (await fetch(`${url}/docs/${await page.getByRole("link", { name }).getAttribute("href")}`)).text()
    assert.match(JSON.parse(text)[kind], /^3\./)
    assert.doesNotMatch(text, /"\$ref":"(?!#)/, `${name} needs another file`)
  }
  for (const link of await page.getByRole("link").all()) assert.equal((await fetch(new URL(await link.getAttribute("href"), page.url()), { method: "HEAD" })).status, 200)
  await page.getByRole("link", { name: /Over HTTP/ }).click()
  await see(page, "Watchroute over HTTP")
  await page.getByRole("link", { name: "Watchroute: all of the reference" }).or(page.getByAltText("Watchroute: all of the reference")).first().click()
  await see(page, "Watchroute reference")
})

test("the reference has what is done over HTTP", { skip }, async t => {
  const page = await quiet(t, "/docs/openapi.html#/topics/readTopic")
  await see(page, "/topics/{topic}")
  await see(page, /Server-Sent|text\/event-stream/)
  await see(page, "Last-Event-ID")
  await shot(page, "docs-http")
  await page.goto(`${url}/docs/openapi.html#/destinations/registerDestination`)
  await see(page, /Registers a URL for the changes of a topic or pattern/)
  await see(page, "cloudevents-batch")
  assert.equal(await page.getByText(/object or null|string or null/).count(), 0, "what counts as left out is shown as a type")
  await shot(page, "docs-http-webhook")
})

test("the reference has the frames", { skip }, async t => {
  const page = await quiet(t, "/docs/asyncapi.html#/channels/live")
  await see(page, "Ask to reconnect")
  await see(page, "without delta")
  await see(page, '"stocks/AAPL"')
  const first = await page.getByText(/^(Subscribe|Push changes)$/).first().textContent()
  assert.equal(first, "Subscribe", "what a client sends comes first")
  await shot(page, "docs-frames")
  await page.goto(`${url}/docs/asyncapi.html`)
  await see(page, "too_many_subscriptions")
  await shot(page, "docs-errors")
})

test("the reference can be searched", { skip }, async t => {
  const page = await quiet(t, "/docs/openapi.html")
  await page.getByText(/^Search/).first().click()
  await page.keyboard.type("Idempotency")
  await page.getByText(/Publish items/).last().waitFor({ timeout: 20_000 })
  await shot(page, "docs-search")
})

test("the reference is readable on a phone, and in the dark", { skip }, async t => {
  for (const name of ["openapi", "asyncapi"]) {
    const page = await quiet(t, `/docs/${name}.html`, { width: 390, dark: true })
    await page.getByRole("heading", { name: /Watchroute over/ }).waitFor()
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `${name} is wider than the phone`)
    await shot(page, `docs-${name}-narrow-dark`)
  }
  const page = await quiet(t, "/docs/", { width: 390, dark: true })
  await axe(page)
  await shot(page, "docs-narrow-dark")
})

test("the reference needs no network", { skip }, async t => {
  const context = await (await browser()).newContext({ offline: true })
  t.after(() => context.close())
  const page = await context.newPage(), failed = []
  page.on("requestfailed", request => failed.push(request.url()))
  page.on("console", m => { if (m.type() === "error") failed.push(m.text()) })
  page.on("pageerror", e => failed.push(String(e)))
  for (const [name, text] of [["index.html", "Watchroute reference"], ["openapi.html#/topics/publish", "Idempotency-Key"], ["asyncapi.html#/channels/live", "Ask to reconnect"]]) {
    const [file, hash = ""] = name.split("#")
    await page.goto(pathToFileURL(join(process.env.NPM, "../docs", file)).href + "#" + hash)
    await see(page, text)
  }
  assert.deepEqual(failed, [])
})
