// The example chat: rooms over a WebSocket.
import assert from "node:assert/strict"
import { test } from "node:test"
import { axe, cable, open, put, putAll, shot, until, url } from "./page.mjs"

/** Opens the chat, and comes in. Each test has rooms of its own. */
const come = async (t, rooms, name, { moderator = false, room = "", ...options } = {}) => {
  const page = await open(t, `/examples/chat/?rooms=${rooms}${room && "#" + room}`, options)
  await page.getByLabel("Your name").fill(name)
  if (moderator) await page.getByLabel("I am a moderator").check()
  await page.getByRole("button", { name: "Enter" }).click()
  await until(`${name} is live`, async () => await page.locator("#state").textContent() === "Live")
  return page
}
const say = async (page, text) => {
  await page.getByLabel("Message", { exact: true }).fill(text)
  await page.getByLabel("Message", { exact: true }).press("Enter")
}
const texts = page => page.locator("#log .text").allTextContents()
const here = async page => (await page.locator("#people bdi").allTextContents()).sort().join()
const sees = (page, text) => page.locator("#log").getByText(text, { exact: true }).waitFor()

/** A message as room.js writes it, some minutes ago. */
const past = (minutes, from, name, text) => {
  const at = Date.now() - minutes * 60_000
  return [`${9_999_999_999_999 - at}.1`, { from, name, text, at }]
}

test("two people talk, see who is here and who is typing, and hear who comes and goes", async t => {
  const ada = await come(t, "talk", "Ada")
  await sees(ada, "Welcome to General, Ada.")
  const bob = await come(t, "talk", "Bob")
  await sees(ada, "Bob has joined")
  for (const page of [ada, bob]) await until("both are here", async () => await here(page) === "Ada,Bob")
  await bob.getByLabel("Message", { exact: true }).pressSequentially("Hel")
  await ada.getByText("Bob is typing …").waitFor()
  await say(bob, "Hello!")
  await sees(ada, "Hello!")
  await until("nobody is typing", async () => await ada.locator("#typing").textContent() === "")
  await say(ada, "Hello Bob")
  await sees(bob, "Hello Bob")
  await until("it is sent", async () => await ada.getByText("Sending …").count() === 0)
  for (const page of [ada, bob]) assert.deepEqual(await texts(page), ["Hello!", "Hello Bob"])
  await bob.getByRole("button", { name: "Leave" }).click()
  await sees(ada, "Bob has left")
  await until("Ada is alone", async () => await here(ada) === "Ada")
})

test("a tab that is closed without a word leaves the room", async t => {
  const ada = await come(t, "closed", "Ada"), bob = await come(t, "closed", "Bob")
  await sees(ada, "Bob has joined")
  await bob.close()
  await sees(ada, "Bob has left")
})

test("a page that is loaded again is the same person, with what was said", async t => {
  const ada = await come(t, "again", "Ada"), bob = await come(t, "again", "Bob")
  await say(ada, "Before")
  await sees(bob, "Before")
  await ada.reload()
  await sees(ada, "Before")
  await until("both are here", async () => await here(ada) === "Ada,Bob" && await here(bob) === "Ada,Bob")
  assert.equal(await ada.locator("#log .by").getByText("you", { exact: true }).count(), 1)
})

test("typing ends by itself, also of somebody whose item stays", async t => {
  const ada = await come(t, "typing", "Ada")
  await until("Ada is here", async () => await here(ada) === "Ada")
  await put("typing/general/typing", "ghost", { name: "A ghost" })
  await ada.getByText("A ghost is typing …").waitFor()
  await until("it is over", async () => await ada.locator("#typing").textContent() === "", 10_000)
})

test("what is said elsewhere is counted, and read after turning there", async t => {
  const ada = await come(t, "elsewhere", "Ada"), bob = await come(t, "elsewhere", "Bob", { room: "random" })
  await until("Bob is in another room", async () => await here(bob) === "Bob" && await here(ada) === "Ada")
  await say(bob, "Is anybody here?")
  const link = ada.getByRole("link", { name: /Random/ })
  await until("Ada hears of it", async () => /1\s*new/.test(await link.textContent()) && await ada.title() === "(1) General · Chat")
  await link.click()
  await sees(ada, "Is anybody here?")
  await sees(bob, "Ada has joined")
  assert.equal(await ada.title(), "Random · Chat")
  await ada.goBack()
  await sees(bob, "Ada has left")
  await until("Ada is back", async () => await here(ada) === "Ada")
})

test("a room that the token does not name stays closed, and the service says so", async t => {
  const ada = await come(t, "rooms", "Ada"), eve = await come(t, "rooms", "Eve", { moderator: true, room: "moderators" })
  await say(eve, "Among us")
  await ada.getByRole("link", { name: /Moderators.*not for you/ }).click()
  await ada.getByText("forbidden:").waitFor()
  assert.equal(await ada.getByLabel("Message", { exact: true }).isVisible(), false)
  await axe(ada)
})

test("what a moderator hides is masked for others, and comes back", async t => {
  const ada = await come(t, "mask", "Ada"), eve = await come(t, "mask", "Eve", { moderator: true })
  const frames = []
  const cdp = await ada.context().newCDPSession(ada)
  await cdp.send("Network.enable")
  await say(ada, "You are all fools")
  await sees(eve, "You are all fools")
  await until("Ada has got it back", async () => await ada.getByText("Sending …").count() === 0)
  cdp.on("Network.webSocketFrameReceived", f => frames.push(f.response.payloadData))
  assert.equal(await ada.getByRole("button", { name: /^Hide/ }).count(), 0, "only moderators hide")
  await eve.getByRole("button", { name: "Hide the message of Ada" }).click()
  await axe(eve)
  await shot(eve, "chat-hide")
  await eve.getByLabel("Reason").selectOption("Rude")
  await eve.getByRole("button", { name: "Hide", exact: true }).click()
  await sees(ada, "A moderator has hidden this message.")
  await eve.getByText("Hidden by Eve: Rude").waitFor()
  assert.deepEqual(await texts(eve), ["You are all fools"])
  await until("the change has come", () => frames.some(f => f.includes(`"hidden":true`)))
  assert.deepEqual(frames.filter(f => /fools|Rude/.test(f)), [], "what is masked does not travel")
  const later = await come(t, "mask", "Late")
  await sees(later, "A moderator has hidden this message.")
  await eve.getByRole("button", { name: "Show again" }).click()
  await sees(ada, "You are all fools")
})

test("scrolling up loads older messages, page by page, to the first", async t => {
  const all = Array.from({ length: 130 }, (_, i) => past(200 - i, "bob-1", "Bob", `Message ${i}`))
  await putAll("history/general", all.map(([id, data]) => ({ id, data })))
  const page = await come(t, "history", "Ada")
  await sees(page, "Message 129")
  assert.equal((await texts(page)).length, 40)
  const mouse = page.locator("#log")
  await mouse.hover()
  for (const count of [80, 120, 130]) {
    const first = (await texts(page))[0]
    await page.mouse.wheel(0, -20_000)
    await until(`there are ${count}`, async () => (await texts(page)).length === count)
    assert.ok(await page.locator("#log").getByText(first, { exact: true }).isVisible())
    assert.ok(await page.evaluate(() => document.getElementById("log").scrollTop > 200), "the place stays")
  }
  assert.deepEqual(await texts(page), all.map(([, data]) => data.text))
  await say((await come(t, "history", "Bob")), "News")
  await page.getByRole("button", { name: "New messages" }).click()
  await sees(page, "News")
})

test("a long history is read in part, and old messages are forgotten again", async t => {
  const all = Array.from({ length: 450 }, (_, i) => past(900 - i, "bob-1", "Bob", `Message ${i}`))
  await putAll("long/general", all.map(([id, data]) => ({ id, data })))
  const page = await come(t, "long", "Ada")
  await sees(page, "Message 449")
  await page.locator("#log").hover()
  await until("over 400 are read", async () => {
    await page.mouse.wheel(0, -50_000)
    return (await texts(page)).length > 400
  })
  await page.getByRole("button", { name: "New messages" }).click()
  await until("the newest are left", async () => (await texts(page)).length === 40)
  await sees(page, "Message 449")
})

test("names and messages are text, whatever is in them", async t => {
  const attack = `<img src=x onerror="alert(1)"><script>alert(2)</script>`
  await put("text/general", ...past(9, attack, attack, attack))
  await put("text/general", ...past(8, "x", { not: "a name" }, ["no", "text"]))
  await put("text/general", "0", { text: 7, at: "never", flag: "no" })
  await put("text/general", "1", { text: "The end of time", at: 9e15 })
  await put("text/general", ...past(6, "dana", "דנה", "שלום, זה עובד (כן)!"))
  await put("text/general", ...past(5, "long", "W".repeat(40), "Donaudampfschiff".repeat(60)))
  const page = await come(t, "text", attack.slice(0, 40), { width: 390 })
  await page.locator("#log .text").getByText(attack, { exact: true }).waitFor()
  await say(page, attack)
  await until("it is sent", async () => (await texts(page)).filter(text => text === attack).length === 2)
  assert.equal(await page.locator("img, #chat script").count(), 0)
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is wider than the page")
  assert.equal(await page.locator("#log .text").getByText("שלום").evaluate(e => getComputedStyle(e).direction), "rtl")
  await axe(page)
  await shot(page, "chat-text")
})

for (const how of ["cut", "hush"]) {
  test(`after a network that was ${how === "cut" ? "cut" : "silent"}, all that was said is there, once and in order`, async t => {
    const way = await cable(t)
    const ada = await come(t, how, "Ada", { base: way.url, allow: /net::ERR|WebSocket/ }), bob = await come(t, how, "Bob")
    await say(bob, "One")
    await sees(ada, "One")
    way[how]()
    if (how === "cut") {
      await ada.getByText("Offline. Messages are sent later.").waitFor()
      await shot(ada, "chat-offline")
    }
    await say(bob, "Two")
    await say(ada, "Three")
    await ada.getByText("Sending …").waitFor()
    await sees(bob, "Two")
    await say(bob, "Four")
    await sees(bob, "Four")
    way.mend()
    await until("Ada has all", async () => (await texts(ada)).join() === "One,Two,Three,Four", 40_000)
    await until("Bob has all", async () => (await texts(bob)).join() === "One,Two,Three,Four", 40_000)
    await until("it is sent", async () => await ada.getByText("Sending …").count() === 0)
    await until("both are here", async () => await here(ada) === "Ada,Bob" && await here(bob) === "Ada,Bob")
  })
}

test("it looks well, and everybody can use it", async t => {
  const talk = [
    [58, "bob", "Bob", "Morning! Did the deploy go out?"], [57, "cleo", "Cleo", "It did, at 8:40. No alarms."],
    [56, "cleo", "Cleo", "The new dashboard shows posts per topic now. Worth a look before the review."],
    [31, "dana", "דנה", "תודה רבה!"], [30, "bob", "Bob", "Thank you both. One thing: a customer asks whether watchers lose changes when the two hours are over."],
    [29, "cleo", "Cleo", "They don't. The client opens the next connection first, resumes there with its cursor, and closes the old one afterwards."],
    [12, "bob", "Bob", "Perfect, I'll quote you on that."],
  ]
  for (const [minutes, from, name, text] of talk) await put("looks/general", ...past(minutes, from, name, text))
  const [id, data] = past(20, "troll", "Troll", "")
  await put("looks/general", id, { ...data, hidden: true, flag: { by: "Eve", reason: "Spam", text: "BUY NOW" } })
  const looks = { wide: {}, dark: { dark: true, moderator: true }, narrow: { width: 390 }, "narrow-dark": { width: 390, dark: true } }
  for (const [name, options] of Object.entries(looks)) {
    const page = await open(t, "/examples/chat/?rooms=looks", options)
    await page.getByLabel("Your name").waitFor()
    await axe(page)
    await shot(page, `chat-door-${name}`)
  }
  const bob = await come(t, "looks", "Bob"), cleo = await come(t, "looks", "Cleo", { room: "random" })
  for (const [name, options] of Object.entries(looks)) {
    const page = await come(t, "looks", "Ada", options)
    await sees(page, "Perfect, I'll quote you on that.")
    await say(page, "Good to know!")
    await until("it is sent", async () => await page.getByText("Sending …").count() === 0)
    await say(cleo, "Lunch?")
    await until("there is news elsewhere", async () => /new/.test(await page.getByRole("link", { name: /Random/ }).textContent()))
    await bob.getByLabel("Message", { exact: true }).fill("")
    await bob.getByLabel("Message", { exact: true }).pressSequentially("Sure")
    await page.getByText("Bob is typing …").waitFor()
    await axe(page)
    await shot(page, `chat-${name}`)
    if (options.width) {
      await page.getByRole("button", { name: /here/ }).click()
      await page.locator("#people").waitFor({ state: "visible" })
      await axe(page)
      await shot(page, `chat-people-${name}`)
    }
    await page.context().close()
    await bob.waitForTimeout(3000) // typing is told at most so often
  }
  assert.equal(new URL(bob.url()).origin, url)
})

test("it can be used with the keyboard alone", async t => {
  const page = await open(t, "/examples/chat/?rooms=keys")
  await page.keyboard.type("Ada")
  await page.keyboard.press("Enter")
  await page.locator("#text:focus").waitFor()
  await page.keyboard.type("One line")
  await page.keyboard.press("Shift+Enter")
  await page.keyboard.type("and another")
  await page.keyboard.press("Enter")
  await until("it is said", async () => (await texts(page)).join() === "One line\nand another")
  await page.locator("#rooms a").first().focus()
  await page.keyboard.press("Tab")
  await page.keyboard.press("Enter")
  await until("the room is another", async () => await page.title() === "Random · Chat")
})
