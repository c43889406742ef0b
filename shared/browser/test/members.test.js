// Holds the list of who is present.

import assert from "node:assert/strict"
import { test } from "node:test"
import { members } from "../store.js"
import { Clock } from "./world.js"

const minute = 60_000

/** A client whose watches give what they are told to. */
const fake = () => {
  const events = []
  let wake = () => {}
  return {
    topics: [],
    say(event) { events.push(event); wake() },
    async *watch(topic, { signal }) {
      this.topics.push(topic)
      signal.addEventListener("abort", () => wake())
      while (!signal.aborted) {
        while (events.length) yield events.shift()
        await new Promise(done => { wake = done })
      }
    },
  }
}

for (const ahead of [20 * minute, -20 * minute]) {
  test(`members are right after a clock was set that was ${ahead / 1000} s ahead`, async () => {
    const clock = new Clock(), client = fake(), store = members(client, "rooms/1")
    const text = ms => new Date(ms).toISOString(), data = at => ({ name: "N", since: text(at), until: text(at + 10 * minute) })
    const ids = () => store.getSnapshot().members.map(m => m.id).join(" ")
    const stop = store.subscribe(() => {})
    try {
      const before = Date.now() - ahead // at the service
      client.say({ page: { first: true, last: true, items: [{ id: "ada", data: data(before) }] } })
      client.say({ change: { op: "modified", id: "ada", time: text(before), data: data(before) } })
      await clock.rest()
      assert.equal(ids(), "ada")
      await clock.pass(20 * minute) // the clock is set forth or back, and is right from now on
      client.say({ change: { op: "modified", id: "ada", time: text(Date.now()), data: data(Date.now()) } })
      await clock.rest()
      assert.equal(ids(), "ada")
      await clock.pass(10 * minute)
      assert.equal(ids(), "")
    } finally {
      stop()
      await clock.pass(minute)
      clock.stop?.()
    }
  })
}

for (const ahead of [0, 3_000, -3_000, 20 * minute, -20 * minute, 300 * minute, -300 * minute]) {
  test(`members end by themselves, with a clock that is ${ahead / 1000} s ahead`, async () => {
    const clock = new Clock(), client = fake(), store = members(client, "rooms/1")
    const service = () => Date.now() - ahead, text = ms => new Date(ms).toISOString()
    const data = (left, at = service()) => ({ name: "N", since: text(at), until: text(at + left) })
    const ids = () => store.getSnapshot().members.map(m => m.id).join(" ")
    let told = 0
    const stop = store.subscribe(() => told++)
    try {
      assert.deepEqual(store.getSnapshot(), { members: [], count: 0, ready: false, error: undefined })
      client.say({ page: { first: true, last: true, items: [{ id: "ada", data: data(5 * minute) }, { id: "ben", data: data(10 * minute) }] } })
      await clock.rest()
      assert.equal(client.topics.join(), "@presence/rooms/1")
      assert.equal(ids(), "ada ben")
      assert.deepEqual(Object.keys(store.getSnapshot().members[0]), ["id", "name", "since"])
      await clock.pass(minute)
      client.say({ change: { op: "added", id: "cleo", time: text(service()), data: data(10 * minute) } })
      await clock.rest()
      assert.equal(ids(), "ada ben cleo")
      assert.equal(store.getSnapshot().count, 3)
      const before = told
      await clock.pass(4 * minute + 6_000)
      assert.equal(ids(), "ben cleo")
      assert.equal(told, before + 1, "who listens is told")
      client.say({ change: { op: "removed", id: "cleo", time: text(service()) } })
      await clock.rest()
      assert.equal(ids(), "ben")
      await clock.pass(6 * minute)
      assert.equal(ids(), "")
      assert.ok(store.getSnapshot().ready)
    } finally {
      stop()
      await clock.pass(minute)
      clock.stop()
    }
  })
}

test("many members are counted, as long as the count holds", async () => {
  const clock = new Clock(), client = fake(), store = members(client, "rooms/1")
  const until = ms => new Date(Date.now() + ms).toISOString()
  const stop = store.subscribe(() => {})
  try {
    const ada = { id: "ada", data: { name: "Ada", since: until(0), until: until(9 * minute) } }
    client.say({ page: { first: true, last: true, items: [{ id: "@count", data: { count: 137, until: until(10 * minute) } }, ada] } })
    await clock.rest()
    assert.deepEqual(store.getSnapshot(), { members: [], count: 137, ready: true, error: undefined })
    client.say({ change: { op: "removed", id: "@count", time: until(0) } })
    await clock.rest()
    assert.equal(store.getSnapshot().members.length, 1)
    client.say({ change: { op: "added", id: "@count", time: until(0), data: { count: 140, until: until(10 * minute) } } })
    await clock.rest()
    assert.equal(store.getSnapshot().count, 140)
    await clock.pass(10 * minute)
    assert.equal(store.getSnapshot().count, 0)
  } finally {
    stop()
    await clock.pass(minute)
    clock.stop()
  }
})
