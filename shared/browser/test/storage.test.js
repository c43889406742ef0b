// Holds what is kept of a watch.

import assert from "node:assert/strict"
import { test } from "node:test"
import { watchOn } from "../storage.js"

/** A client that gives these events, and notes how it was asked. */
const fake = (...events) => ({
  url: "wss://service/live", asked: [],
  async *watch(topic, options) {
    this.asked.push([topic, options])
    yield* events
  },
})
const memory = () => {
  const kept = new Map()
  return { kept, getItem: key => kept.get(key), setItem: (key, value) => void kept.set(key, value) }
}
const at = (cursor, topic = "t", more = { change: {} }) => ({ topic, cursor, ...more })

test("a watch goes on after the last event that the page is done with", async () => {
  const storage = memory(), client = fake(at("e:1"), at("e:2"), at("e:3"))
  for await (const { cursor } of watchOn(client, "t", { storage })) if (cursor === "e:3") break // it may not be done with that
  await watchOn(client, "t", { storage }).next()
  assert.deepEqual(client.asked.map(([, o]) => o.after), [undefined, "e:2"])
})

test("a pattern goes on after the cursors of its topics", async () => {
  const storage = memory(), client = fake(at("e:1", "s/a"), at("f:4", "s/b"))
  for await (const _ of watchOn(client, "s/*", { storage }));
  for await (const _ of watchOn(client, "s/*", { storage }));
  assert.deepEqual(client.asked[1][1].cursors, { "s/a": "e:1", "s/b": "f:4" })
})

test("half of the items are no place to go on from", async () => {
  const storage = memory(), client = fake(at("e:1"), at("", "t", { page: {} }))
  for await (const _ of watchOn(client, "t", { storage }));
  for await (const _ of watchOn(client, "t", { storage }));
  assert.equal(client.asked[1][1].after, undefined)
})

test("cursors of another subject, topic or view are not taken", async () => {
  const storage = memory(), client = fake(at("e:1"))
  for await (const _ of watchOn(client, "t", { storage, subject: "ada" }));
  for (const [topic, options] of [["t", { subject: "ben" }], ["u", { subject: "ada" }], ["t", { subject: "ada", fields: ["n"] }], ["t", { subject: "ada", delta: true }]]) {
    for await (const _ of watchOn(client, topic, { storage, ...options }));
    assert.equal(client.asked.at(-1)[1].after, undefined)
  }
})

test("what is kept and is no cursor is passed over", async () => {
  for (const topic of ["s/a", "s/*"]) {
    const storage = { getItem: () => JSON.stringify({ "s/a": "x", "s/b": 7, "s/c": "e:3", "s/d": null }), setItem() {} }, client = fake(at("e:1"))
    for await (const _ of watchOn(client, topic, { storage }));
    const [[, { after, cursors }]] = client.asked
    assert.deepEqual([after, cursors], [undefined, topic === "s/*" ? { "s/c": "e:3" } : undefined])
  }
})

test("a storage that throws, or has nonsense, does not end a watch", async () => {
  const broken = () => { throw new Error("full") }
  for (const storage of [{ getItem: broken, setItem: broken }, { getItem: async () => "{", setItem: async () => broken() }, { getItem: () => "7", setItem: broken }, undefined]) {
    const seen = [], client = fake(at("e:1"), at("e:2"))
    for await (const { cursor } of watchOn(client, "t", { storage })) seen.push(cursor)
    assert.deepEqual(seen, ["e:1", "e:2"])
    assert.equal(client.asked[0][1].after, undefined)
  }
})
