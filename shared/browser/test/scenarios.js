// Plays the scenarios that the Go client follows, too: ../../client/testdata/scenarios.txtar. It is the same
// in Node and in a page.

import "../patterns.js" // which is loaded then when time stands still
import { WatchClient } from "../watchroute.js"
import { Clock, Service, has } from "./world.js"

/** The scenarios of a file. @param {string} text */
export const scenarios = text => {
  const sections = text.split(/^-- (.*) --$/m).slice(1)
  return Array.from({ length: sections.length / 2 }, (_, i) => ({ name: sections[2 * i], script: sections[2 * i + 1] }))
}

/** The lines of a scenario. */
const lines = script => script.split("\n").filter(Boolean)

const assert = (ok, message) => { if (!ok) throw new Error(message) }
const equal = (got, want, what = "there is") => assert(got === want, `${what}: ${JSON.stringify(got)}, not ${JSON.stringify(want)}`)

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
      equal(events.slice(want.length).join(" "), "", `${name} sees more`)
    }
    equal(events.splice(0, want.length).join(" "), want.join(" "), `${name} sees`)
  }

  publish(rest) {
    const [name, topic, item] = words(rest, 3), { id, data } = JSON.parse(item)
    this.client.publish(topic, { id, data }).then(({ mark }) => this.publications.set(name, mark), error => this.publications.set(name, error.code))
  }

  published(rest) {
    const [name, want = ""] = rest.split(" ")
    equal(this.publications.get(name), want, `${name} has ended with`)
  }

  asks(rest) {
    const { requests } = this.service.newest
    if (rest === "nothing") return equal(JSON.stringify(requests), "[]", "it asks for more")
    const [, text, id] = /^(.*?)(?: as (\w+))?$/.exec(rest), want = JSON.parse(text)
    const at = requests.findIndex(r => has(r, want))
    assert(at >= 0, `it is not among the requests ${JSON.stringify(requests)}`)
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

  closed() { assert((this.service.sockets.at(-2) ?? this.service.newest).closed, "the connection is open") }

  passes(ms) { return this.clock.pass(+ms) }

  async play(script) {
    await this.clock.rest()
    for (const line of lines(script)) {
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

/**
 * Plays a scenario with a client of its own. It throws where the client does something else.
 * @param {string} script
 */
export const play = async script => {
  assert(lines(script).length > 0, "it has no lines")
  const player = new Player()
  try {
    await player.play(script)
  } finally {
    player.client.close()
    player.clock.stop()
  }
}
