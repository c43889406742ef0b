// Runs clients of shared/browser for the checker, which says line by line what they do, in JSON. Each
// line has a number, and so has its answer:
//
//	{"n":1,"do":"dial","client":1,"url":"ws://…","http":{"url":"http://…","only":true},"options":{…}}      {"n":1}
//	{"n":2,"do":"watch","watch":2,"client":1,"topic":"t","options":{}} {"n":2}
//	{"n":3,"do":"next","watch":2}                                      {"n":3,"value":{…}}  its next event
//	{"n":4,"do":"leave","watch":2}                                     {"n":4}
//	{"n":5,"do":"close","client":1}                                    {"n":5,"value":{…}}  its stats
//
// A client that needs a token asks: {"ask":9,"client":1} is answered {"n":0,"do":"token","ask":9,"token":"…"}.

import { overHTTP } from "../../shared/browser/http.js"
import { WatchClient } from "../../shared/browser/watchroute.js"

/** Gives what carries out a line. write writes one. */
export const serve = write => {
  const clients = new Map(), watches = new Map(), asked = new Map()
  let last = 0

  const verbs = {
    dial: ({ client, url, http, options }) => {
      const transport = http && overHTTP(http.url, http) // of its own accord, or because WebSockets fail
      const token = () => new Promise((done, failed) => {
        asked.set(++last, text => text === undefined ? failed(new Error("no token this time")) : done(text))
        write(JSON.stringify({ ask: last, client }))
      })
      clients.set(client, new WatchClient(url, { ...options, token, transport }))
    },
    token: ({ ask, token }) => {
      asked.get(ask)(token)
      asked.delete(ask)
    },
    watch: ({ watch, client, topic, options }) => {
      const stop = new AbortController()
      watches.set(watch, { stop, events: clients.get(client).watch(topic, { ...options, signal: stop.signal }) })
    },
    next: async ({ watch }) => {
      const { value, done } = await watches.get(watch).events.next()
      return done ? { done } : value
    },
    leave: async ({ watch }) => {
      const { stop, events } = watches.get(watch)
      watches.delete(watch)
      stop.abort()
      await events.return()
    },
    close: ({ client }) => {
      const c = clients.get(client)
      clients.delete(client)
      c.close()
      return c.stats
    },
  }

  return async line => {
    const { n, do: verb, ...given } = JSON.parse(line)
    let answer
    try {
      answer = { n, value: await verbs[verb](given) }
    } catch (error) {
      answer = { n, error: { code: String(error.code ?? error.name), message: error.message } }
    }
    if (n) write(JSON.stringify(answer))
  }
}
