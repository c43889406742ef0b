// @ts-check

/**
 * @typedef {import("./watchroute.d.ts").Json} Json
 * @typedef {import("./watchroute.d.ts").WatchOptions} WatchOptions
 * @typedef {import("./watchroute.d.ts").WatchClient} WatchClient
 * @typedef {import("./store.d.ts").Live} Live
 * @typedef {import("./store.d.ts").LiveItem} LiveItem
 * @typedef {import("./store.d.ts").Members} Members
 */

/**
 * What a store makes of the events of its watch.
 * @template Now @typedef {object} Keeper
 * @property {(event: import("./watchroute.d.ts").WatchEvent) => void} accept
 * @property {(ready: boolean, error?: unknown) => Now} show gives the state of now
 * @property {() => number} [ends] in how many milliseconds that changes without an event
 */

/** For how long a store that nobody listens to is kept up to date: a page that is drawn anew listens again. */
const lingers = 1000

/** Applies a merge patch. RFC 7396, section 2. @param {Json | undefined} target @param {Json} patch @returns {Json} */
export const merge = (target, patch) => {
  if (!patch || typeof patch !== "object" || Array.isArray(patch)) return patch
  const merged = /** @type {Record<string, Json>} */ ({ ...(target && typeof target === "object" && !Array.isArray(target) ? target : {}) })
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = merge(merged[name], value)
  }
  return merged
}

/**
 * Watches for as long as somebody listens.
 * @template Now @param {WatchClient} client @param {string} topic @param {WatchOptions} options @param {Keeper<Now>} keeper
 * @returns {import("./store.d.ts").Store<Now>}
 */
const store = (client, topic, options, { accept, show, ends }) => {
  const listeners = /** @type {Set<(now: Now) => void>} */ (new Set())
  let now = show(false), changed = false, ready = false
  let watching = /** @type {AbortController | undefined} */ (undefined)
  let later = /** @type {any} */ (undefined), end = /** @type {any} */ (undefined)

  /** @param {unknown} [error] */
  const tell = error => {
    changed = false
    now = show(ready, error)
    clearTimeout(end)
    const left = ends?.() ?? Infinity
    if (left < Infinity) end = setTimeout(tell, left)
    for (const listener of listeners) listener(now)
  }
  const soon = () => { // all changes of this moment together
    if (!changed) queueMicrotask(() => changed && tell())
    changed = true
  }

  const begin = async () => {
    const own = watching = new AbortController()
    ready = false
    try {
      for await (const event of client.watch(topic, { ...options, snapshot: true, signal: own.signal })) {
        if (own !== watching) return
        accept(event)
        ready ||= !!event.page?.last
        soon()
      }
    } catch (error) {
      if (own === watching) tell(error)
    }
  }

  return {
    getSnapshot: () => now,
    subscribe: listener => {
      clearTimeout(later)
      const own = (/** @type {Now} */ now) => listener(now) // the same function may listen twice
      listeners.add(own)
      if (!watching) begin()
      listener(now)
      return () => {
        if (!listeners.delete(own) || listeners.size) return
        later = setTimeout(() => {
          watching?.abort()
          watching = undefined
          clearTimeout(end)
        }, lingers)
      }
    },
  }
}

/**
 * The items of a topic, or of all topics of a pattern, as they are now. Nothing is watched before
 * somebody listens.
 * @param {WatchClient} client @param {string} topic @param {Omit<WatchOptions, "after" | "cursors" | "snapshot" | "signal">} [options]
 * @returns {Live}
 */
export const live = (client, topic, options = {}) => {
  const items = /** @type {Map<string, Map<string, LiveItem>>} */ (new Map())
  return store(client, topic, options, {
    accept({ topic, page, change }) {
      if (!items.has(topic) || page?.first) items.set(topic, new Map())
      const of = /** @type {Map<string, LiveItem>} */ (items.get(topic))
      for (const { id = "", data = {} } of page?.items ?? []) of.set(id, { topic, id, data })
      if (change?.op === "removed") of.delete(change.id)
      else if (change) {
        const data = /** @type {Record<string, Json>} */ (change.patch ? merge(of.get(change.id)?.data, change.patch) : change.data ?? {})
        of.set(change.id, { topic, id: change.id, data })
      }
    },
    show: (ready, error) => ({ items: [...items.values()].flatMap(of => [...of.values()]), ready, error }),
  })
}

const lease = 600_000 // see events.PresenceLease

/**
 * Who is present in a topic. A member whose time is over is left out, also if the machine's clock is wrong.
 * @param {WatchClient} client @param {string} topic
 * @returns {Members}
 */
export const members = (client, topic) => {
  const items = /** @type {Map<string, any>} */ (new Map())
  // How far the machine's clock is ahead of the service's, at least and at most. It is taken for right unless it
  // cannot be. After a lease, what is heard next counts alone, because the clock may have been set.
  let least = -Infinity, most = Infinity, leastAt = 0, mostAt = 0
  const fresh = (/** @type {number} */ at) => Math.abs(Date.now() - at) < lease
  const atLeast = (/** @type {number} */ ahead) => { if (ahead > least || !fresh(leastAt) && ahead === ahead) [least, leastAt] = [ahead, Date.now()] }
  const atMost = (/** @type {number} */ ahead) => { if (ahead < most || !fresh(mostAt) && ahead === ahead) [most, mostAt] = [ahead, Date.now()] }
  const left = (/** @type {any} */ { until }) => Date.parse(until) - Date.now() + (least > 0 || most < 0 ? most : 0)
  return store(client, "@presence/" + topic, {}, {
    accept({ page, change }) {
      if (page?.first) items.clear()
      for (const { id, data } of page?.items ?? []) { // which was not over when it was read
        const ended = Date.now() - Date.parse(/** @type {any} */ (data)?.until)
        atLeast(ended)
        atMost(ended + lease)
        items.set(id ?? "", data)
      }
      if (!change) return
      atMost(Date.now() - Date.parse(change.time ?? ""))
      if (change.op === "removed") items.delete(change.id)
      else items.set(change.id, change.data)
    },
    show(ready, error) {
      const present = [...items].filter(([, data]) => left(data ?? {}) > 0)
      const counted = present.find(([id]) => id === "@count")
      const list = counted ? [] : present.map(([id, { name, since }]) => ({ id, name, since })).sort((a, b) => a.since < b.since ? -1 : +(a.since > b.since))
      return { members: list, count: counted ? counted[1].count : list.length, ready, error }
    },
    ends: () => Math.min(...[...items.values()].map(data => left(data ?? {})).filter(ms => ms > 0)),
  })
}
