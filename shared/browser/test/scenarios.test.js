// Follows the scenarios that the Go client follows, too: ../client/testdata/scenarios.txtar.

import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import "../patterns.js" // which is loaded then when time stands still
import { WatchClient } from "../watchroute.js"
import { Clock, Service, has } from "./world.js"

const file = readFileSync(new URL("../../client/testdata/scenarios.txtar", import.meta.url), "utf8")
const sections = file.split(/^-- (.*) --$/m).slice(1)

/** Player carries out the lines of a scenario. */
class Player {
  clock = new Clock()
  service = new Service()
  token = undefined
  ids = new Map()
  watches = new Map()
  publications = new Map()

  constructor() {
    this.client = new WatchClient("wss://service/live", { WebSocket: this.service.WebSocket, token: () => this.token })
  }

  connects() { this.service.accept() }

  refuses() { this.service.drop(1006, this.service.dialling()) }

  watch(rest) {
    const [name, topic, options = "{}"] = words(rest, 3), events = []
    const stop = new AbortController()
    this.watches.set(name, { events, stop })
    const follow = async () => {
      try {
        for await (const event of this.client.watch(topic, { ...JSON.parse(options), signal: stop.signal })) events.push(...shown(event))
      } catch (error) {
        if (!stop.signal.aborted) events.push("ended", error.code ?? String(error))
      }
    }
    follow()
  }

  leave(name) { this.watches.get(name).stop.abort() }

  sees(rest) {
    const [name, ...want] = rest.split(" "), { events } = this.watches.get(name)
    if (want.at(-1) === "nothing") {
      want.pop()
      assert.equal(events.slice(want.length).join(" "), "", `${name} sees more`)
    }
    assert.equal(events.splice(0, want.length).join(" "), want.join(" "))
  }

  publish(rest) {
    const [name, topic, item] = words(rest, 3), { id, data } = JSON.parse(item)
    this.client.publish(topic, { id, data }).then(({ mark }) => this.publications.set(name, mark), error => this.publications.set(name, error.code))
  }

  published(rest) {
    const [name, want = ""] = rest.split(" ")
    assert.equal(this.publications.get(name), want)
  }

  asks(rest) {
    const { requests } = this.service.newest
    if (rest === "nothing") return assert.deepEqual(requests, [])
    const [, text, id] = /^(.*?)(?: as (\w+))?$/.exec(rest), want = JSON.parse(text)
    const at = requests.findIndex(r => has(r, want))
    assert.notEqual(at, -1, `among the requests ${JSON.stringify(requests)}`)
    if (id) this.ids.set(id, requests[at].id)
    requests.splice(at, 1)
  }

  frame(text) {
    const f = JSON.parse(text)
    return JSON.stringify(this.ids.has(f.id) ? { ...f, id: this.ids.get(f.id) } : f)
  }

  says(text) { this.service.say(this.frame(text)) }

  before(rest) { this.service.say(this.frame(rest.replace(/^says /, "")), this.service.sockets.at(-2)) }

  drops(code) { this.service.drop(+code) }

  closed() { assert.ok((this.service.sockets.at(-2) ?? this.service.newest).closed, "the connection is open") }

  passes(ms) { return this.clock.pass(+ms) }

  async play(script) {
    await this.clock.rest()
    for (const line of script.split("\n").filter(Boolean)) {
      const [, verb, rest] = /^(\w+) ?(.*)$/.exec(line)
      try {
        if (verb === "token") this.token = rest
        else await this[verb](rest)
      } catch (error) {
        error.message = `${line}\n${error.message}`
        throw error
      }
      await this.clock.rest()
    }
  }
}

/** The first words of a line, and the rest as the last. */
const words = (line, n) => {
  const all = line.split(" ")
  return [...all.slice(0, n - 1), all.slice(n - 1).join(" ")].filter(Boolean)
}

/** An event as the words of a scenario. */
const shown = ({ cursor, change, page, costly }) => {
  if (change) return ["change", change.id, cursor]
  if (!page) return [costly ? "costly" : "at", cursor]
  return ["page", ...page.first ? ["first"] : [], ...page.last ? ["last"] : [], ...page.reason ? [page.reason] : [], ...page.items.map(i => i.id), cursor || "-"]
}

for (let i = 0; i < sections.length; i += 2) {
  test(sections[i], async () => {
    const player = new Player()
    try {
      await player.play(sections[i + 1])
    } finally {
      player.client.close()
      player.clock.stop()
    }
  })
}
