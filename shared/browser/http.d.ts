import type { Cursor, Item, Json, Topic } from "./wire.d.ts"

/** Times are in milliseconds. */
export interface HTTPOptions {
  /** The time between two tries of a better way, at first: it doubles, up to an hour. Default: 60,000. */
  betterInterval?: number
  /** Never use WebSockets. */
  only?: boolean
  /** Use Server-Sent Events where they work. Default: true; otherwise long polls only. */
  streams?: boolean
}

/**
 * Has a client go on over HTTP where WebSockets are blocked: `new WatchClient(url, { transport: overHTTP(httpUrl) })`. It
 * goes back to WebSockets when they work. The promises and the cursors are the same.
 * @param url the output HttpUrl of the service, https://…/live
 */
export function overHTTP(url: string | URL, options?: HTTPOptions): (socket: any, options: any) => any

export interface ReadOptions {
  /** Gives a token; another one is asked for if it has expired. */
  token?: () => string | Promise<string>
  /** Only the items that match this EventBridge event pattern on their data. */
  filter?: Record<string, Json>
  /** Only these members of the data. */
  fields?: string[]
  /** Of an earlier read with the same filter, fields and grant. */
  etag?: string
  signal?: AbortSignal
}

export interface Items {
  items: Item[]
  /** Where they are true: a later watch goes on from it with `after`. */
  cursor: Cursor
  /** For a later read, which gives undefined then if the items are the same. */
  etag: string
}

/**
 * Reads the items of a topic once, without watching it. It is undefined if they are as they were when
 * an earlier read gave this `etag`; that costs the service a single read. If the service refuses it, it
 * fails with an error that has a `code` of the protocol, and the `status`.
 * @param url the output HttpUrl of the service
 */
export function read(url: string | URL, topic: Topic, options?: ReadOptions): Promise<Items | undefined>
