// The helpers, on the page that shows webhooks.
import assert from "node:assert/strict"
import { test } from "node:test"
import { axe, browser, cable, open, shot, url } from "./page.mjs"

const path = "/_localstack/webhooks", plain = "/_localstack/health"

for (const what of ["before a message has come", "that shows a message"]) {
  test(`the page of webhooks ${what} can be read by everybody`, async t => {
    if (what.includes("shows")) await fetch(url + path, { method: "POST", body: JSON.stringify({ type: "changes", changes: Array(40).fill("a change") }, null, 1) })
    for (const [name, options] of Object.entries({ wide: {}, dark: { dark: true }, narrow: { width: 390 } })) {
      const page = await open(t, path, options)
      await axe(page)
      await shot(page, `webhooks-${name}`)
    }
  })
}

/** A test that notes what becomes of it. */
const trial = () => {
  const ends = []
  return { after: f => ends.unshift(f), end: async () => { for (const f of ends) await f() } }
}

for (const [what, error] of Object.entries({
  "writes an error": () => console.error("alas"),
  "throws": () => { setTimeout(() => { throw new Error("alas") }) },
  "violates its policy": () => {
    const policy = document.createElement("meta")
    policy.httpEquiv = "Content-Security-Policy"
    policy.content = "script-src 'none'"
    document.head.append(policy, Object.assign(document.createElement("script"), { textContent: "alas" }))
  },
  "asks for what is not there": () => fetch("/_localstack/alas").then(() => {}),
})) {
  test(`a page that ${what} fails its test`, async () => {
    const t = trial()
    const page = await open(t, plain)
    await page.evaluate(error)
    await page.waitForTimeout(200)
    await assert.rejects(t.end(), /has errors/)
  })
}

test("a page that some people cannot use fails its test", async t => {
  const page = await open(t, path)
  await page.evaluate(() => document.body.append(document.createElement("button")))
  await assert.rejects(axe(page), /critical: Buttons must have discernible text/)
})

test("a cable that is cut lets nothing through, until it is mended", async t => {
  const way = await cable(t)
  const page = await open(t, plain, { base: way.url, allow: /net::ERR/ })
  const reach = () => page.evaluate(() => fetch("/_localstack/health").then(a => a.status, () => 0))
  assert.equal(await reach(), 200)
  way.cut()
  assert.equal(await reach(), 0)
  way.mend()
  assert.equal(await reach(), 200)
  assert.notEqual(way.url, url)
  assert.ok((await browser()).isConnected())
})
