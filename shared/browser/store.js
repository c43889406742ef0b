// @ts-check

/**
 * @typedef {import("./watchroute.d.ts").Json} Json
 * @typedef {import("./watchroute.d.ts").WatchOptions} WatchOptions
 * @typedef {import("./watchroute.d.ts").WatchClient} WatchClient
 * @typedef {import("./store.d.ts").Live} Live
 * @typedef {import("./store.d.ts").LiveItem} LiveItem
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
 * The items of a topic, or of all topics of a pattern, as they are now. Nothing is watched before
 * somebody listens.
 * @param {WatchClient} client @param {string} topic @param {Omit<WatchOptions, "after" | "cursors" | "snapshot" | "signal">} [options]
 * @returns {Live}
 */
export const live = (client, topic, options = {}) => {
  const listeners = new Set(), items = /** @type {Map<string, Map<string, LiveItem>>} */ (new Map())
  let now = /** @type {ReturnType<Live["getSnapshot"]>} */ ({ items: [], ready: false, error: undefined })
  let changed = false, ready = false, watching = /** @type {AbortController | undefined} */ (undefined)
  let later = /** @type {any} */ (undefined)

  /** @param {unknown} [error] */
  const tell = error => {
    changed = false
    now = { items: [...items.values()].flatMap(of => [...of.values()]), ready, error }
    for (const listener of listeners) listener(now)
  }
  const soon = () => { // all changes of this moment together
    if (!changed) queueMicrotask(() => changed && tell())
    changed = true
  }

  /** @param {import("./watchroute.d.ts").WatchEvent} event */
  const accept = ({ topic, page, change }) => {
    if (!items.has(topic) || page?.first) items.set(topic, new Map())
    const of = /** @type {Map<string, LiveItem>} */ (items.get(topic))
    for (const { id = "", data = {} } of page?.items ?? []) of.set(id, { topic, id, data })
    if (page?.last) ready = true
    if (change?.op === "removed") of.delete(change.id)
    else if (change) {
      const data = /** @type {Record<string, Json>} */ (change.patch ? merge(of.get(change.id)?.data, change.patch) : change.data ?? {})
      of.set(change.id, { topic, id: change.id, data })
    }
  }

  const begin = async () => {
    const own = watching = new AbortController()
    ready = false
    try {
      for await (const event of client.watch(topic, { ...options, snapshot: true, signal: own.signal })) {
        if (own !== watching) return
        accept(event)
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
      listeners.add(listener)
      if (!watching) begin()
      listener(now)
      return () => {
        listeners.delete(listener)
        if (listeners.size) return
        later = setTimeout(() => {
          watching?.abort()
          watching = undefined
        }, lingers)
      }
    },
  }
}
