// The scenarios that the clients in Go and JavaScript follow, in a page of Chromium. Node runs them, too:
// shared/browser/test.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { browser, open } from "./page.mjs"

const shared = new URL("../../shared/", import.meta.url)
const table = readFileSync(new URL("client/testdata/scenarios.txtar", shared), "utf8")

/**
 * Opens a page of its own origin, which has the client and its scenarios below /browser/.
 * edit changes the text of a file, by its path there.
 */
const stage = async (t, edit = (path, text) => text) => {
  const context = await (await browser()).newContext({ baseURL: "http://scenarios.test" })
  t.after(() => context.close())
  await context.route("**/*", route => {
    const path = new URL(route.request().url()).pathname
    if (path === "/") return route.fulfill({ contentType: "text/html", body: `<!doctype html><link rel="icon" href="data:,"><title>Scenarios</title>` })
    return route.fulfill({ contentType: "text/javascript", body: edit(path, readFileSync(new URL("." + path, shared), "utf8")) })
  })
  const page = await open(t, "/", { context })
  await page.evaluate(async () => {
    const { play, scenarios } = await import("/browser/test/scenarios.js")
    globalThis.scenarios = scenarios
    globalThis.played = []
    globalThis.play = async ({ name, script }) => {
      await play(script)
      globalThis.played.push(name)
    }
  })
  return page
}

/** The scenarios of the table, as the page reads them. */
const scenarios = page => page.evaluate(table => globalThis.scenarios(table), table)
const play = (page, scenario) => page.evaluate(scenario => globalThis.play(scenario), scenario)

test("the client follows every scenario in a page", async t => {
  const page = await stage(t), began = performance.now()
  for (const scenario of await scenarios(page)) await t.test(scenario.name, () => play(page, scenario))
  const played = await page.evaluate(() => globalThis.played), names = table.match(/^-- .* --$/mg).map(line => line.slice(3, -3))
  assert.ok(names.length > 0)
  assert.deepEqual(played, names, "a scenario has not run to its end")
  t.diagnostic(`${played.length} scenarios in ${Math.round(performance.now() - began)} ms`)
})

test("a page with a broken client fails a scenario", async t => {
  const whole = "w && (f.from || \"\") === w.bookmark", failed = []
  const page = await stage(t, (path, text) => {
    if (path !== "/browser/engine.js") return text
    assert.equal(text.split(whole).length, 2, `${path} has the text once`)
    return text.replace(whole, "w") // it takes any page of items for the next
  })
  for (const scenario of await scenarios(page)) await play(page, scenario).catch(() => failed.push(scenario.name))
  assert.deepEqual(failed, ["a page after a lost one is asked for again"])
})
