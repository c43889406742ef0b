// @ts-check

// Watching over HTTP where WebSockets are blocked, and reading without watching. See README.md and the
// Go client's doc.go, "Over HTTP".

import { exactly, fetchToken } from "./engine.js"
import { cursorOf, text } from "./order.js"

/**
 * @typedef {import("./engine.js").Dial} Dial
 * @typedef {import("./engine.js").Events} Events
 * @typedef {import("./engine.js").Link} Link
 * @typedef {import("./order.js").Cursor} Cursor
 * @typedef {import("./wire.d.ts").Change} Change
 * @typedef {{token?: () => string | Promise<string>, answerTime: number, maxBackoff: number, signal?: AbortSignal}} Options of the client; signal is aborted when it is closed
 *
 * @typedef {object} Follow a topic that is followed, by itself or as one of a pattern; or a pattern
 * @property {string} topic
 * @property {Record<string, any>} asked the subscribe
 * @property {string} view what is seen of it
 * @property {Cursor} cursor everything up to it was handed on
 * @property {string} head of a topic of a pattern: where the service has said that it stands
 * @property {Map<string, Follow>} [topics] of a pattern
 * @property {boolean} [older] not all topics of the pattern were named when it was subscribed
 * @property {boolean} [more] not all topics of the pattern are named
 * @property {string} place of a pattern: the id of the last event of its stream
 * @property {number} apart of a pattern: until then no stream is opened for it
 * @property {Stream} [stream] that shall bring it
 * @property {number} since when it has had none
 * @property {boolean} [busy] a poll or a look is under way
 * @property {number} pollAt when the next is due
 * @property {number} vain how many in a row brought nothing
 *
 * @typedef {object} Stream
 * @property {Follow[]} of
 * @property {number} opened
 * @property {boolean} begun its first event has come
 * @property {AbortController} stop
 */

const second = 1000
const blockedAfter = 2 // failures in a row before another way is taken
const brokenAfter = 4 // requests in a row that the service has not answered before the link ends
const longestBetter = 3600 * second // between two tries of a better way
const streamsAtOnce = 4, patternStreams = 3 // the service holds 6 requests of a subject
const pollsAtOnce = 4
const topicsOfStream = 50
const urlBytes = 4500 // of a stream: API Gateway takes 10,240 bytes for the request line and the headers
const itemsKept = 1000 // of which it is known what was carried out last
const pollTime = 25 // seconds for which the service holds a poll
const gatherTime = 200 // for which topics are gathered for one stream
const coverPause = 2 * second // after which a topic is polled whose stream is late
const lookPause = second, longestLookPause = 10 * second // between polls that are not held
const beginTime = 10 * second // until the first event of a stream
const silentTime = 37.5 * second // for which a stream may be silent: two and a half heartbeats
const soundTime = 30 * second // for which a stream must have worked for its end to be normal
const returnPause = 3 * second // before a stream is opened again, if the service does not name a time
const longestEvent = 256 << 10 // characters: a frame with its field names has fewer

/** Why the service has refused a request. code is empty if the answer is not the service's. */
class Refusal extends Error {
  /** @param {number} status @param {any} problem @param {number} pause */
  constructor(status, problem, pause) {
    super(problem.detail || `answered with status ${status}`)
    this.status = status
    this.code = String(problem.code || "")
    this.reason = String(problem.reason || "")
    this.pause = pause
  }
}

/** The service's own code for an error; empty if it is not the service's. Exceptions of the browser have a code, too: a number. @param {any} error */
const codeOf = error => typeof error?.code === "string" ? error.code : ""

/** The parameters of what is seen of a topic. @param {Record<string, any>} r */
const viewOf = ({ filter, fields, delta, latest }) => {
  const query = new URLSearchParams()
  if (filter) query.set("filter", JSON.stringify(filter))
  if (fields?.length) query.set("fields", fields.join())
  if (delta) query.set("delta", "true")
  if (latest) query.set("latest", "true")
  return query
}

/**
 * Makes what sends requests, with the token of the client until that is refused.
 * @param {string} base @param {Options} o
 */
const newWeb = (base, o) => {
  let token = /** @type {string | undefined} */ (undefined)
  let later = 0, refusal = /** @type {Refusal | undefined} */ (undefined) // until then nothing is asked, as the service has wanted
  const root = String(base).replace(/\/$/, "") + "/topics"

  /** @param {string} path @param {URLSearchParams} query @param {RequestInit} init @returns {Promise<Response>} */
  const send = async (path, query, init, again = !!o.token) => {
    if (refusal && Date.now() < later) throw Object.assign(refusal, { pause: later - Date.now() })
    const used = token ??= o.token ? await fetchToken(/** @type {any} */ (o)) ?? "" : ""
    const headers = { ...init.headers, ...used && { Authorization: "Bearer " + used } }
    const response = await fetch(`${root}${path && "/" + path}?${query}`.replace(/\?$/, ""), { cache: "no-store", ...init, headers })
    if (response.ok || response.status === 304) return response
    const problem = /problem\+json/.test(response.headers.get("Content-Type") ?? "") ? await response.json() : {}
    if (response.status === 401 && again) {
      if (token === used) token = undefined
      return send(path, query, init, false)
    }
    const why = new Refusal(response.status, problem, Math.min(3600, +(response.headers.get("Retry-After") ?? 0) || 0) * second)
    if (why.pause > 0 && why.code !== "too_many_holds") { // that concerns only requests that are held
      refusal = why
      later = Date.now() + why.pause
    }
    throw why
  }

  /**
   * Sends a request and reads the JSON of the answer, within the time that the service has to answer. It is
   * undefined if there is none.
   * @param {string} path @param {URLSearchParams} query @param {RequestInit} [init] @param {number} [wait] seconds for which the service may hold it
   * @returns {Promise<{body: any, headers: Headers}>}
   */
  const json = async (path, query, init = {}, wait = 0) => {
    init.signal?.throwIfAborted()
    const stop = new AbortController(), late = setTimeout(() => stop.abort(new Error("no answer in time")), wait * second + o.answerTime)
    const ended = () => stop.abort(init.signal?.reason)
    init.signal?.addEventListener("abort", ended)
    try {
      const response = await send(path, query, { ...init, signal: stop.signal }), { headers } = response
      if ([204, 304].includes(response.status)) return { body: undefined, headers }
      if (!/application\/json/.test(headers.get("Content-Type") ?? "")) throw new Refusal(response.status, {}, 0)
      return { body: JSON.parse(await response.text(), exactly), headers }
    } finally {
      clearTimeout(late)
      init.signal?.removeEventListener("abort", ended)
      stop.abort() // if the answer was not read, it would hold its connection
    }
  }
  return { send, json }
}

/**
 * Reads the items of a topic once, without watching it.
 * @param {string | URL} url the output HttpUrl @param {string} topic @param {import("./http.d.ts").ReadOptions} [options]
 * @returns {Promise<import("./http.d.ts").Items | undefined>}
 */
export const read = async (url, topic, { token, filter, fields, etag = "", signal } = {}) => {
  const web = newWeb(String(url), { token, answerTime: 15 * second, maxBackoff: 0 })
  const all = { items: /** @type {any[]} */ ([]), cursor: "", etag: "" }
  for (let next = ""; ;) {
    const query = viewOf({ filter, fields })
    if (next) query.set("next", next)
    const { body, headers } = await web.json(topic, query, { signal, headers: etag && !next ? { "If-None-Match": etag } : {} })
    if (!body) return
    if (!next) all.etag = headers.get("ETag") ?? ""
    all.items.push(...body.items)
    all.cursor = body.cursor
    if (!body.next || body.next === next) return all
    next = body.next
  }
}

/**
 * Reads Server-Sent Events until the stream ends, and gives the pause that it has named.
 * @param {ReadableStream<Uint8Array>} body @param {(data: string, id: string) => void} event @param {() => void} came
 */
const readEvents = async (body, event, came) => {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader()
  let rest = "", data = /** @type {string[]} */ ([]), id = "", retry = 0
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return retry
    came()
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/)
    rest = /** @type {string} */ (lines.pop())
    for (const line of lines) {
      const [, name, content] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
      if (name === "data") data.push(content)
      else if (name === "id") id = content
      else if (name === "retry") retry = Math.min(+content || 0, 3600 * second)
      else if (!line) {
        event(data.join("\n"), id)
        data = []
      }
    }
    if (rest.length + data.join("").length > longestEvent) throw new Error("an event does not end")
  }
}

/**
 * A link over HTTP. It carries out the requests of the engine, and answers with the frames that a
 * WebSocket would bring. So the engine keeps its promises in the same way over both.
 *
 * It follows what the engine is subscribed to: by streams, or by polls while no stream brings it. Each
 * topic has a cursor, up to which everything was handed to the engine. Every stream and poll goes on
 * from there, so it does not matter which of them brings a change. Pings are answered from the cursors,
 * without a request if the engine stands there, too.
 *
 * @param {ReturnType<typeof newWeb>} web @param {Events} events @param {Options} o @param {number} better @param {boolean} streamed
 * @returns {Link}
 */
const newExchange = (web, events, o, better, streamed) => {
  const stop = new AbortController(), { signal } = stop
  const follows = /** @type {Map<string, Follow>} */ (new Map()) // topics and patterns, by name
  const puts = /** @type {Map<string, {tail: Promise<void>, order: number}>} */ (new Map()) // by item: the last call, and the one that was carried out
  let streams = /** @type {Stream[]} */ ([])
  let streamAt = 0 // when the next stream may be opened
  let troubles = 0 // streams in a row that did not work
  let blocked = streamed ? 0 : Infinity // until then no stream is opened because of them
  let blockFor = better
  let polls = 0 // under way
  let quiet = 0 // until then nothing is polled, as that has failed
  let pollsFailed = 0, streamsFailed = 0 // in a row
  let holdAt = 0 // when the service may be asked to hold a poll
  let failures = 0 // requests in a row that the service has not answered
  let timer = /** @type {any} */ (undefined)

  /** @param {Record<string, any>} frame */
  const answer = frame => { if (!signal.aborted) events.frame(link, JSON.stringify(frame)) }

  const close = () => {
    clearTimeout(timer)
    stop.abort()
  }

  /** Ends the link. The engine makes another, and subscribes anew. */
  const end = () => {
    if (signal.aborted) return
    close()
    events.closed(link, 1006)
  }

  /** Does something that takes a while, and then what has become due. @param {Promise<unknown>} what */
  const task = what => void what.catch(() => {}).then(() => { if (!signal.aborted) arrange() })

  /** A random pause that doubles with each failure. @param {number} n @param {any} [error] */
  const pause = (n, error) => Math.max(error?.pause ?? 0, Math.random() * Math.min(500 * 2 ** Math.min(n, 16), o.maxBackoff))

  /** Takes in why a request has failed. @param {any} error */
  const failed = error => {
    const code = codeOf(error)
    if (!code) {
      if (++failures >= brokenAfter) end()
    } else {
      failures = 0
      if (code === "revoked") answer({ type: "error", code, message: error.message })
    }
  }

  // Requests.

  /** @param {string} topic @param {URLSearchParams} query @param {RequestInit} [init] @param {number} [wait] */
  const get = async (topic, query, init, wait) => {
    const { body } = await web.json(topic, query, { signal, ...init }, wait)
    failures = 0
    return body
  }

  /**
   * Reads what a topic has after a cursor, or where it stands for "now".
   * @param {Record<string, any>} r @param {string} after @param {string} [view] @param {number} [wait]
   * @returns {Promise<{changes: Change[], cursor?: Cursor, view: string, more?: boolean, cursors?: Record<string, string>, reset?: string}>}
   */
  const news = async (r, after, view, wait = 0) => {
    const query = viewOf(r)
    query.set("after", after)
    if (view) query.set("view", view)
    if (wait) query.set("wait", String(wait))
    try {
      const { changes = [], cursor, ...rest } = await get(r.topic, query, {}, wait) ?? {}
      return { view: "", ...rest, cursor: cursorOf(cursor), changes: changes.filter((/** @type {Change} */ c) => c.topic === r.topic) }
    } catch (/** @type {any} */ error) {
      if (error?.status === 410 && error.reason) return { changes: [], view: "", reset: error.reason }
      throw error
    }
  }

  /** Where the topics of a pattern stand. @param {Record<string, any>} r */
  const stand = r => news({ ...r, delta: undefined }, "now")

  /** A page of items, as a frame. @param {Record<string, any>} r @param {any} body */
  const page = (r, { topic, cursor, items, costly, next }) =>
    ({ type: "snapshot", id: r.id, topic, ...cursorOf(cursor), from: r.next, items, costly, more: false, next })

  /** @param {Record<string, any>} r */
  const items = async r => {
    const query = viewOf({ filter: r.filter, fields: r.fields })
    if (r.next) query.set("next", r.next)
    return get(r.topic, query)
  }

  /** What the engine asks for. @type {Record<string, (r: any) => Promise<void> | void>} */
  const actions = {
    __proto__: /** @type {any} */ (null),

    subscribe: async r => {
      if (r.topic.endsWith("*")) return subscribePattern(r)
      const missed = r.after ? await news(r, r.after, r.view) : undefined, reset = missed?.reset
      const now = !missed || reset ? await news(r, "now") : missed
      const head = now.cursor ?? cursorOf(r.after)
      if (!head) throw new Error("the answer has no cursor")
      const told = { type: "subscribed", id: r.id, topic: r.topic, ...head, view: now.view }
      if (reset || r.snapshot && !r.after) {
        const body = await items(r)
        follow(r, cursorOf(body.cursor) ?? head, now.view)
        answer(told)
        if (reset) answer({ type: "reset", id: r.id, topic: r.topic, reason: reset })
        return answer(page(r, body))
      }
      const from = cursorOf(r.after)
      if (from && from.epoch === head.epoch && from.seq > head.seq) throw new Error("the answer is older than the cursor")
      const f = follow(r, r.after ? from ?? head : head, now.view)
      answer({ ...told, recovered: !!r.after })
      bring(f, now.changes)
    },

    unsubscribe: r => {
      follows.delete(r.topic)
      answer({ type: "unsubscribed", id: r.id, topic: r.topic })
    },

    snapshot: async r => answer(page(r, await items(r))),

    publish: async r => { // those of an item one after the other
      const key = `${r.topic} ${r.item.id}`, own = puts.get(key) ?? { order: 0, tail: Promise.resolve() }
      puts.delete(key)
      puts.set(key, own)
      for (const oldest of puts.keys()) if (puts.size > itemsKept && puts.delete(oldest)) break
      const turn = own.tail.then(() => put(r, own))
      own.tail = turn.catch(() => {})
      await turn
    },

    ping: async r => {
      const missed = /** @type {[Follow, string][]} */ ([])
      for (const [topic, at] of Object.entries(r.cursors)) {
        const f = following(topic)
        if (f && !f.topics && text(f.cursor) !== at) missed.push([f, at])
      }
      const lost = new Set()
      await Promise.all(missed.map(async ([f, at]) => {
        const { changes, cursor, reset } = await news({ ...f.asked, topic: f.topic }, at, f.view)
        if (reset) {
          answer({ type: "reset", id: r.id, topic: f.topic, reason: reset })
          lost.add(f.topic)
          if (cursorOf(at)?.epoch === f.cursor.epoch) f.cursor = { epoch: "", seq: 0 } // the engine does not stand there any more
        } else {
          bring(f, changes)
          if (cursor && text(f.cursor) === ":0") f.cursor = cursor
        }
      }))
      const cursors = /** @type {Record<string, string>} */ ({})
      let more = false
      for (const topic of Object.keys(r.cursors)) {
        const f = following(topic)
        if (!f || lost.has(topic) && follows.get(topic) === f) continue
        cursors[topic] = f.topics ? ":0" : text(f.cursor)
        more ||= !!f.more
        for (const m of f.topics?.values() ?? []) cursors[m.topic] ??= text(m.cursor)
      }
      answer({ type: "pong", id: r.id, cursors, more: more || undefined })
    },
  }

  /** Puts or removes an item, unless a later call was carried out. @param {any} r @param {{order: number}} item */
  const put = async (r, item) => {
    if (r.order < item.order) throw Object.assign(new Error("a later one was carried out"), { code: "overtaken" })
    const body = r.op === "remove" ? await get(r.topic, new URLSearchParams({ id: r.item.id }), { method: "DELETE" }) : await get(r.topic, new URLSearchParams(), {
      method: "POST", body: JSON.stringify({ ...r.item, expiresAt: r.expiresAt }), headers: { "Content-Type": "application/json", "Idempotency-Key": r.key },
    })
    item.order = r.order
    answer({ type: "published", id: r.id, topic: r.topic, item: { id: r.item.id }, mark: body?.mark })
  }

  /** @param {Record<string, any>} r */
  const write = r => task((async () => {
    try {
      if (!actions[r.action]) throw Object.assign(new Error("HTTP has no request " + r.action), { code: "bad_request" })
      await actions[r.action](r)
    } catch (/** @type {any} */ error) {
      failed(error)
      answer({ type: "error", id: r.id, code: codeOf(error) || "unavailable", message: String(error?.message), topic: r.topic })
    }
  })())

  // What is followed.

  /** Follows a topic or pattern from now on. @param {Record<string, any>} r @param {Cursor} cursor @param {string} view @returns {Follow} */
  const newFollow = (r, cursor, view) => {
    const now = Date.now()
    return { topic: r.topic, asked: r, view: view || "whole", cursor, head: "", place: "", apart: 0, since: now, pollAt: streaming() ? now + coverPause : now, vain: 0 }
  }

  /** @param {Record<string, any>} r @param {Cursor} cursor @param {string} view */
  const follow = (r, cursor, view) => {
    const f = newFollow(r, cursor, view), old = follows.get(f.topic)
    if (old && old.view === f.view && old.cursor.epoch === cursor.epoch && old.cursor.seq >= cursor.seq) return old
    follows.set(f.topic, f)
    return f
  }

  /** @param {any} r */
  const subscribePattern = async r => {
    const at = await stand(r), body = r.snapshot && await items(r)
    const p = newFollow(r, { epoch: "", seq: 0 }, at.view), old = follows.get(r.topic)
    p.older = !!at.more
    p.topics = old?.view === p.view ? old.topics : new Map()
    follows.set(r.topic, p)
    heads(p, at, true)
    const cursors = Object.fromEntries([...p.topics ?? []].map(([topic, m]) => [topic, m.head || text(m.cursor)]))
    answer({ type: "subscribed", id: r.id, topic: r.topic, epoch: "", seq: 0, view: at.view, cursors, more: at.more })
    for (const one of body?.topics ?? []) answer(page(r, one))
    if (body) answer({ type: "snapshot", id: r.id, topic: r.topic, epoch: "", seq: 0, items: [], more: false })
  }

  /** Takes in where the topics of a pattern stand. One that is new since the subscribe is read from its first change on. @param {Follow} p @param {any} at @param {boolean} [begins] */
  const heads = (p, at, begins) => {
    p.more = !!at.more
    for (const [topic, place] of Object.entries(at.cursors ?? {})) {
      const head = cursorOf(place)
      if (!head || topic === p.topic) continue
      let m = p.topics?.get(topic)
      if (!m) m = member(p, topic, begins || p.older ? head : { epoch: head.epoch, seq: 0 })
      m.head = text(head)
    }
  }

  /** @param {Follow} p @param {string} topic @param {Cursor} cursor */
  const member = (p, topic, cursor) => {
    const m = newFollow({ ...p.asked, topic, snapshot: undefined }, cursor, p.view)
    m.pollAt = 0
    p.topics?.set(topic, m)
    return m
  }

  /** @param {string} topic */
  const following = topic => follows.get(topic) ?? [...follows.values()].map(p => p.topics?.get(topic)).find(m => m)

  /** Hands changes of a topic on. @param {Follow} f @param {Change[]} changes */
  const bring = (f, changes) => {
    if (!changes.length) return
    answer({ type: "changes", changes })
    for (const { epoch, seq, to } of changes) {
      if (text(f.cursor) === ":0" || epoch !== f.cursor.epoch || (to || seq) > f.cursor.seq) f.cursor = { epoch, seq: to || seq }
    }
  }

  // What is due.

  const streaming = () => Date.now() >= blocked

  /** Whether a stream brings it. @param {Follow} f */
  const brought = f => !!f.stream?.begun

  const arrange = () => {
    clearTimeout(timer)
    const now = Date.now()
    let next = now + 60 * second
    /** @param {number} at */
    const due = at => {
      if (at > now) next = Math.min(next, at)
      return at <= now
    }
    for (const s of streams) if (s.of.every(f => follows.get(f.topic)?.stream !== s)) s.stop.abort()
    if (due(blocked)) openStreams(due)
    if (due(quiet)) poll(due)
    timer = setTimeout(arrange, next - now)
  }

  /** @param {(at: number) => boolean} due */
  const poll = due => {
    const all = [...follows.values()].filter(f => !brought(f)).sort((a, b) => a.pollAt - b.pollAt)
    const alone = all.filter(f => !f.topics).length
    const wait = streaming() || Date.now() < holdAt ? 0 : Math.max(1, Math.floor(pollTime / Math.ceil(Math.max(alone, 1) / pollsAtOnce)))
    const behind = [...follows.values()].flatMap(p => [...p.topics?.values() ?? []].filter(m => m.head && m.head !== text(m.cursor)))
    for (const f of [...behind, ...all]) {
      if (f.busy || polls >= pollsAtOnce || !due(f.pollAt)) continue
      f.busy = true
      polls++
      task((f.topics ? look(f) : pollTopic(f, behind.includes(f) ? 0 : wait)).then(() => { pollsFailed = 0 }, error => {
        failed(error)
        if (codeOf(error) === "too_many_holds") holdAt = Date.now() + 5 * second
        else if (lapses(error)) end()
        else quiet = Date.now() + pause(pollsFailed++, error)
      }).finally(() => {
        f.busy = false
        polls--
      }))
    }
  }

  /** Decides when to poll again: soon if something came, and later each time nothing has. @param {Follow} f @param {boolean} came */
  const pollAgain = (f, came) => {
    f.vain = came ? 0 : f.vain + 1
    const most = Math.min(lookPause * 2 ** Math.min(f.vain, 8), longestLookPause) * (1 + Math.floor((f.topics?.size ?? 0) / 100))
    f.pollAt = Date.now() + (came ? gatherTime : most * (0.5 + Math.random()))
  }

  /** @param {Follow} f @param {number} wait */
  const pollTopic = async (f, wait) => {
    const began = Date.now(), { changes, cursor, reset } = await news(f.asked, text(f.cursor), f.view, wait)
    if (reset && follows.get(f.topic) === f) return end()
    if (reset) f.cursor = cursorOf(f.head) ?? f.cursor // the engine asks for what it misses, and learns of the gap
    bring(f, changes)
    if (cursor && !changes.length && text(f.cursor) === ":0") f.cursor = cursor
    if (!changes.length) f.head = ""
    pollAgain(f, changes.length > 0 || Date.now() - began >= wait * second / 2 && wait > 0)
  }

  /** @param {Follow} p */
  const look = async p => {
    const before = p.topics?.size, at = await stand(p.asked)
    if ((at.view || "whole") !== p.view) return end()
    heads(p, at)
    pollAgain(p, p.topics?.size !== before || [...p.topics?.values() ?? []].some(m => m.head && m.head !== text(m.cursor)))
  }

  /** Whether an error means that something cannot be followed any more in this way. The next subscribe tells the engine why. @param {any} error */
  const lapses = error => [400, 401, 403, 404, 410].includes(error?.status) && !!codeOf(error)

  // Streams.

  /** @param {(at: number) => boolean} due */
  const openStreams = due => {
    const groups = /** @type {Map<string, Follow[]>} */ (new Map())
    for (const f of follows.values()) {
      if (f.stream || !due(Math.max(f.since + gatherTime, f.apart, streamAt))) continue
      const key = f.topics ? f.topic + " *" : String(viewOf(f.asked))
      groups.set(key, [...groups.get(key) ?? [], f])
    }
    for (const group of groups.values()) {
      const most = group[0].topics ? patternStreams : streamsAtOnce
      while (group.length && streams.length < streamsAtOnce && (most === streamsAtOnce || streams.filter(s => s.of[0].topics).length < most)) openStream(group)
    }
  }

  /** Opens a stream for as many of a group as fit, and takes them out of it. @param {Follow[]} group */
  const openStream = group => {
    const query = viewOf(group[0].asked), of = /** @type {Follow[]} */ ([]), headers = /** @type {Record<string, string>} */ ({ Accept: "text/event-stream" })
    while (group.length && of.length < topicsOfStream && String(query).length < urlBytes) {
      const f = /** @type {Follow} */ (group.shift())
      of.push(f)
      if (f.topics) {
        if (f.place) headers["Last-Event-ID"] = f.place
        break
      }
      if (of.length > 1) query.append("topic", f.topic)
      query.append("after", text(f.cursor))
      query.append("view", f.view)
    }
    const s = { of, opened: Date.now(), begun: false, stop: new AbortController() }
    for (const f of of) f.stream = s
    streams.push(s)
    task(readStream(s, query, headers))
  }

  /** @param {Stream} s @param {URLSearchParams} query @param {Record<string, string>} headers */
  const readStream = async (s, query, headers) => {
    const ended = () => s.stop.abort()
    let silent = setTimeout(ended, beginTime), retry = returnPause, error = /** @type {any} */ (undefined), whole = false
    signal.addEventListener("abort", ended)
    try {
      const response = await web.send(s.of[0].topic, query, { headers, signal: s.stop.signal })
      if (!response.body || !/event-stream/.test(response.headers.get("Content-Type") ?? "")) throw new Refusal(response.status, {}, 0)
      retry = Math.max(retry, await readEvents(response.body, (data, id) => event(s, data, id), () => {
        if (!s.begun) return
        clearTimeout(silent)
        silent = setTimeout(ended, silentTime)
        answer({}) // it is heard of
      }))
      whole = true
    } catch (why) {
      error = why
    }
    clearTimeout(silent)
    signal.removeEventListener("abort", ended)
    ended() // what was not read would hold its connection
    if (!signal.aborted) streamEnded(s, error, whole, retry)
  }

  /** @param {Stream} s @param {string} data @param {string} id */
  const event = (s, data, id) => {
    if (id) s.begun = true
    if (s.begun) failures = 0
    if (!data) return
    const f = JSON.parse(data, exactly), [first] = s.of, p = first.topics && first.stream === s ? first : undefined
    if (f.type === "error") throw new Refusal(400, { ...f, detail: f.message }, 0)
    if (f.type === "subscribed" && p) {
      if ((f.view || "whole") !== p.view) return end()
      heads(p, f)
    }
    if (f.type === "reset") {
      const m = p?.topics?.get(f.topic)
      if (!m || f.reason === "view") return end()
      m.cursor = { epoch: "", seq: 0 } // the engine does not stand there, so the next ping tells it
    }
    if (f.type === "changes") {
      for (const topic of new Set(f.changes.map((/** @type {Change} */ c) => c.topic))) {
        const changes = f.changes.filter((/** @type {Change} */ c) => c.topic === topic)
        const of = p ? p.topics?.get(topic) ?? member(p, topic, { epoch: changes[0].epoch, seq: changes[0].seq - 1 }) : s.of.find(f => f.topic === topic)
        if (of) bring(of, changes)
      }
    }
    if (p) p.place = id.length <= 4096 && /^[ -~]*$/.test(id) ? id : ""
    if (f.type === "subscribed") arrange()
  }

  /** Decides what the end of a stream means for the next. Topics are polled meanwhile. @param {Stream} s @param {any} error @param {boolean} whole @param {number} retry */
  const streamEnded = (s, error, whole, retry) => {
    const now = Date.now(), lasted = now - s.opened, unused = s.of.every(f => follows.get(f.topic)?.stream !== s)
    streams = streams.filter(o => o !== s)
    for (const f of s.of) if (f.stream === s) leaveStream(f)
    if (unused) return
    if (s.begun && !error) streamsFailed = 0
    streamAt = now + retry + pause(streamsFailed++, error)
    const code = codeOf(error)
    if (code) {
      failed(error)
      const [p] = s.of
      if (code === "too_many_topics") p.apart = now + longestBetter
      else if (p.topics && code === "bad_cursor" && p.place) p.place = ""
      else if (lapses(error)) end()
    } else if (whole && !s.begun) { // there is no room for it now
    } else if (whole && lasted >= second || s.begun && lasted >= soundTime) {
      troubles = 0
      blockFor = better
      merge(s)
    } else if (++troubles >= blockedAfter) {
      blocked = now + blockFor
      blockFor = Math.min(2 * blockFor, Math.max(longestBetter, better))
      troubles = 0
    }
  }

  /** @param {Follow} f */
  const leaveStream = f => {
    f.stream = undefined
    f.since = Date.now()
    f.pollAt = f.since + coverPause
  }

  /** Has the topics of other streams be in the next one with those of a stream that has ended. @param {Stream} ended */
  const merge = ended => {
    let room = topicsOfStream - ended.of.length
    for (const s of streams) {
      if (s.of[0].topics || ended.of[0].topics || s.of.length > room || String(viewOf(s.of[0].asked)) !== String(viewOf(ended.of[0].asked))) continue
      room -= s.of.length
      for (const f of s.of) if (f.stream === s) leaveStream(f)
    }
  }

  const link = { write, close }
  arrange()
  return link
}

/**
 * Has a client go on over HTTP where WebSockets are blocked, and go back when they work: the option
 * `transport` of WatchClient.
 *
 *     WebSocket ── blocked ──► streams ── held back ──► long polls
 *         ▲                      │  ▲                       │
 *         └──── betterInterval ──┘  └──── betterInterval ───┘
 *
 * @param {string | URL} url the output HttpUrl @param {import("./http.d.ts").HTTPOptions} [options]
 * @returns {(socket: Dial, o: Options) => Dial}
 */
export const overHTTP = (url, { betterInterval = 60 * second, only = false, streams = true } = {}) => (dialSocket, o) => {
  const web = newWeb(String(url), o)
  let overSocket = !only // the way to dial next
  let failures = 0 // of that way, in a row
  let every = betterInterval
  let ready = /** @type {Link | undefined} */ (undefined) // a socket that works again, until the engine takes it

  /** Has the other way be taken if there is enough doubt about this one. */
  const doubt = () => {
    if (only || ++failures < blockedAfter) return
    overSocket = !overSocket
    failures = 0
  }

  /** Dials a socket, and doubts the way if nothing comes over it. @type {Dial} */
  const socket = async events => {
    let asked = false, spoke = false, link = /** @type {Link | undefined} */ (undefined)
    const judge = () => { if (asked && !spoke && link !== ready) doubt() }
    const made = await dialSocket({
      frame: (_, frame) => {
        spoke = true
        if (overSocket) failures = 0
        if (link) events.frame(link, frame)
      },
      closed: (_, code) => {
        if (!link) return // then it was never made
        judge()
        if (ready === link) ready = undefined
        events.closed(link, code)
      },
    })
    return link = {
      write: (/** @type {Record<string, unknown>} */ frame) => {
        asked = true
        made.write(frame)
      },
      close: () => {
        judge()
        made.close()
      },
    }
  }

  /** Tries the socket. Once something has come over it, the engine is asked to move there. @param {Link} over @param {Events} events */
  const tryBetter = (over, events) => {
    const own = { ended: false, timer: /** @type {any} */ (undefined), found: /** @type {Link | undefined} */ (undefined) }
    const arm = (/** @type {() => void} */ what, /** @type {number} */ after) => { // one timer, whatever a try has come to
      clearTimeout(own.timer)
      if (!own.ended) own.timer = setTimeout(what, after)
    }
    const later = () => {
      arm(attempt, every)
      every = Math.min(2 * every, Math.max(longestBetter, betterInterval))
    }
    const attempt = () => {
      let works = false
      socket({
        frame: (link, frame) => {
          if (works || own.ended) return events.frame(link, frame)
          works = true
          ready = own.found = link
          clearTimeout(own.timer)
          overSocket = true
          failures = 0
          every = betterInterval
          events.frame(over, JSON.stringify({ type: "reconnect", delayMs: 0 }))
        },
        closed: (link, code) => works ? events.closed(link, code) : later(),
      }).then(link => {
        if (own.ended) return link.close()
        link.write({ action: "ping", id: "better" })
        arm(() => {
          if (works) return
          link.close()
          later()
        }, o.answerTime)
      }, later)
    }
    later()
    return () => {
      own.ended = true
      clearTimeout(own.timer)
      if (!own.found || ready !== own.found) return
      ready = undefined // the engine has not taken it, and does not come for it
      own.found.close()
    }
  }

  return async events => {
    if (ready) {
      const link = ready
      ready = undefined
      return link
    }
    if (overSocket) {
      return socket(events).catch(error => {
        doubt()
        throw error
      })
    }
    try { // no route is there for this: what has no topic is not found
      await web.json("", new URLSearchParams(), { signal: o.signal })
      throw new Error("the answer is not the service's")
    } catch (/** @type {any} */ error) {
      if (!codeOf(error) || error.status === 429 || error.status >= 500) {
        doubt()
        throw error
      }
    }
    failures = 0
    const link = newExchange(web, events, o, betterInterval, streams), { close } = link
    const stopTrying = only ? () => {} : tryBetter(link, events)
    link.close = () => {
      stopTrying()
      close()
    }
    return link
  }
}
