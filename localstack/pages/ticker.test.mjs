// The example ticker: prices over an EventSource.
import assert from "node:assert/strict"
import { execFileSync, spawn } from "node:child_process"
import { test } from "node:test"
import { axe, cable, open, put, remove, shot, until, url } from "./page.mjs"

const page = topic => `/examples/ticker/?topic=${topic}/*`
const quote = (price, name = "A company") => ({ name, open: 100, price })
const prices = page => page.locator("li .price").allTextContents()

test("a newcomer is told how to get prices, and then sees them come", async t => {
  const p = await open(t, page("ticker-none"))
  await p.getByText(`No price has changed yet. Run make ticker ARGS="-url ${url}" in another terminal.`).waitFor()
  await axe(p)
  await shot(p, "ticker-none")
  await put("ticker-none/AAPL", "quote", quote(101))
  await p.getByText("101.00").waitFor()
  await p.getByText("+1.00 %").waitFor()
  assert.equal(await p.getByText("No price has changed yet").isVisible(), false)
  assert.equal(await p.getByRole("status").textContent(), "Live")
  await remove("ticker-none/AAPL", "quote")
  await until("the removed stock has left", async () => await p.locator("li").count() === 0)
})

test("the writer's prices move, with what they were before the page was opened", async t => {
  execFileSync("go", ["build", "-o", "../../.build/bin/ticker", "../examples/ticker/writer"])
  const writer = spawn("../../.build/bin/ticker", ["-url", url, "-topic", "ticker-moves", "-every", "15ms"])
  t.after(() => writer.kill())
  let said = ""
  writer.stdout.on("data", text => { said += text })
  await until("the writer says where the page is", () => said.includes(`Look at them: ${url}${page("ticker-moves")}`))
  await until("there is a history", async () => (await (await fetch(`${url}/live/topics/ticker-moves/IBM`)).json()).cursor?.split(":")[1] > 40)
  for (const [name, options] of Object.entries({ wide: {}, dark: { dark: true }, narrow: { width: 390 }, "narrow-dark": { width: 390, dark: true } })) {
    const p = await open(t, page("ticker-moves"), options)
    await until("there are eight stocks, in order", async () => (await p.locator(".symbol").allTextContents()).join() === "AAPL,AMZN,GOOG,IBM,INTC,META,MSFT,NVDA")
    await until("a line shows the prices before", async () => (await p.locator("polyline").first().getAttribute("points")).split(" ").length > 35)
    const first = await prices(p)
    await until("a price moves", async () => (await prices(p)).join() !== first.join())
    await until("older prices are left out", async () => Number(await p.locator("#skipped").textContent()) > 0)
    await axe(p)
    await shot(p, `ticker-${name}`)
    assert.ok(await p.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the page")
  }
})

test("a page whose network was away shows the right prices afterwards", async t => {
  const way = await cable(t)
  for (const symbol of ["AA", "BB", "CC"]) await put(`ticker-heals/${symbol}`, "quote", quote(100))
  const p = await open(t, page("ticker-heals"), { base: way.url, allow: /net::ERR/ })
  await until("the prices are there", async () => (await prices(p)).join() === "100.00,100.00,100.00")
  way.cut()
  await put("ticker-heals/AA", "quote", quote(90))
  await put("ticker-heals/AA", "quote", quote(91))
  await remove("ticker-heals/BB", "quote")
  await put("ticker-heals/DD", "quote", quote(104))
  await p.getByText("Away. Looking for the stack").waitFor()
  assert.equal((await prices(p)).join(), "100.00,100.00,100.00", "what was known stays")
  way.mend()
  await until("the prices are right", async () => (await prices(p)).join() === "91.00,100.00,104.00", 40_000)
  assert.equal(await p.getByRole("status").textContent(), "Live")
})

test("names are text, whatever is in them", async t => {
  const name = `<img src=x onerror="alert(1)">`
  await put("ticker-text/X", "quote", quote(100, name))
  const p = await open(t, page("ticker-text"))
  await p.getByText(name).waitFor()
  assert.equal(await p.locator("li img").count(), 0)
})

// The console's first minute and README.md put a price alone; others may put what is no price.
test("an item that is a price and nothing else is shown, and what is no price is not", async t => {
  await put("ticker-plain/AAPL", "quote", { price: 150 })
  await put("ticker-plain/AAPL", "quote", { price: 150.75 })
  await put("ticker-plain/X", "quote", { price: "much" })
  await put("ticker-plain/AAPL", "note", { text: "hello" })
  const p = await open(t, page("ticker-plain"))
  await p.getByText("150.75").waitFor()
  await p.getByText("No price has changed yet").waitFor()
  assert.equal(await p.locator("li").count(), 1)
  assert.equal(await p.locator("li .name").textContent(), "")
  assert.equal(await p.locator("li .change").textContent(), "+0.00 %")
  await put("ticker-plain/AAPL", "quote", quote(101))
  await p.getByText("+1.00 %").waitFor()
})
