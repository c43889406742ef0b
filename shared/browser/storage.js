// @ts-check

// Cursors that are kept, so that a page goes on where it was after it was loaded again.

import { cursorOf } from "./order.js"

/**
 * @typedef {import("./watchroute.d.ts").WatchClient} WatchClient
 * @typedef {import("./watchroute.d.ts").WatchEvent} WatchEvent
 */

const saveEvery = 100 // milliseconds, at least

/** Does something with a storage, which may throw, and may answer later. @template T @param {() => T | Promise<T>} what @returns {Promise<T | undefined>} */
const attempt = async what => {
  try {
    return await what()
  } catch { // it is full or forbidden: then there is no cursor the next time
  }
}

/**
 * Watches as WatchClient.watch does, from where an earlier watch has got to. See README.md for what the page
 * has to keep.
 * @param {WatchClient} client @param {string} topic @param {import("./storage.d.ts").KeptOptions} [options]
 * @returns {AsyncGenerator<WatchEvent, void, void>}
 */
export async function* watchOn(client, topic, { subject = "", storage, ...options } = {}) {
  const { filter, fields, delta, latest } = options, page = /** @type {any} */ (globalThis)
  const key = ["watchroute", client.url, subject, topic, JSON.stringify([filter, fields, !!delta, !!latest])].join(" ")
  const store = storage ?? await attempt(() => page.localStorage)
  const kept = await attempt(async () => JSON.parse(await store?.getItem(key) ?? "{}"))
  const cursors = Object.fromEntries(Object.entries(kept ?? {}).filter(([, cursor]) => cursorOf(cursor))) // the watch refuses what is none
  let timer = /** @type {any} */ (undefined), before = /** @type {WatchEvent | undefined} */ (undefined)

  const save = () => {
    clearTimeout(timer)
    timer = undefined
    return attempt(() => store?.setItem(key, JSON.stringify(cursors)))
  }
  const taken = () => { // the consumer comes back for the next event when it is done with one
    if (!before) return
    if (before.cursor) cursors[before.topic] = before.cursor
    else if (before.page) delete cursors[before.topic] // half of the items are no place to go on from
    timer ??= setTimeout(save, saveEvery)
  }
  page.addEventListener?.("pagehide", save)
  const from = /\/\*\*?$/.test(topic) ? Object.keys(cursors).length ? { cursors } : {} : cursors[topic] ? { after: cursors[topic] } : {}
  try {
    for await (const event of client.watch(topic, { ...options, ...from, ...from.cursors && { cursors: { ...from.cursors } } })) {
      taken()
      before = event
      yield event
    }
    taken()
  } finally {
    page.removeEventListener?.("pagehide", save)
    await save()
  }
}
