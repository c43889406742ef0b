import type { Change as AnyChange, Code, Cursor, Error as ErrorFrame, Item, ItemID, Json, NewItem, Op, PresenceRequest, ResetReason, Topic, TopicOrPattern } from "./wire.d.ts"
export type { Code, Cursor, Item, ItemID, Json, NewItem, Op, ResetReason, Topic } from "./wire.d.ts"

/** What happened to one item. */
export interface Change extends Omit<AnyChange, "to" | "costly"> {
  id: ItemID
  op: Exclude<Op, "skipped">
}

/** A part of a topic's items, in the order of their ids. */
export interface Page {
  /** Forget what was known of the topic: its items follow. */
  first: boolean
  /** The items are complete. */
  last: boolean
  items: Item[]
  /** Why the watch had to start over; only on a first page that was not asked for. */
  reason?: ResetReason
  /** How many items were not looked at, as the filter would cost too much on them. */
  costly: number
}

/** One step of a watch. Without `change` and `page` it says only where the watch stands. */
export interface WatchEvent {
  topic: Topic
  /** Where the watch stands: keep it, and a later watch goes on from it with `after`. Empty while a snapshot is not complete. */
  cursor: Cursor
  change?: Change
  page?: Page
  /** Changes up to the cursor were not looked at, as the filter would cost too much on them. */
  costly?: boolean
}

/** Where a watch begins, and what it shows. Without any: all changes from now on. */
export interface WatchOptions {
  /** Begin with the topic's items. */
  snapshot?: boolean
  /** Go on from a cursor: what came after it comes first, or the items if that cannot be told any more. */
  after?: Cursor
  /** The same for the topics of a pattern. Topics that it leaves out are new: their changes come from the first on. */
  cursors?: Record<Topic, Cursor>
  /** Show only the items that match this EventBridge event pattern on their data. */
  filter?: Record<string, Json>
  /** Show only these members of the data, such as `seller.name`. */
  fields?: string[]
  /** Let a change that modifies an item carry a patch, where that is shorter. */
  delta?: boolean
  /** Give only the latest state of each item where the watch is behind. */
  latest?: boolean
  /** Be a member of the topic, whom others see, as long as the watch lasts; see `members` in `./store`. The token must allow to join. */
  presence?: PresenceRequest
  /** Ends the watch with the signal's reason. */
  signal?: AbortSignal
}

/** Times are in milliseconds. */
export interface ClientOptions {
  /** Gives a token for each connection, and another when that expires. */
  token?: () => string | Promise<string>
  /** How long until the client asks, at first, whether anything is missing. Default: 2 minutes. */
  pingInterval?: number
  /** The longest that this interval grows to. Default: four times as long, but at most 8 minutes, with tokens 4. */
  maxPingInterval?: number
  /** How long changes may be out of order before they are asked for. Default: 500. */
  holeTime?: number
  /** How long the service may take to answer. Default: 15,000. */
  answerTime?: number
  /** Bounds the pauses between attempts. Default: 30,000. */
  maxBackoff?: number
  /** How many changes of a topic are held for a slow consumer. Default: 10,000. */
  buffer?: number
  /** Bounds their data, in bytes. Default: 8 MB. */
  bufferBytes?: number
  /** The constructor of WebSockets, where the platform has none, such as that of the package `ws`. */
  WebSocket?: new (url: string, protocols: string[]) => unknown
  /** What the connection is made by, if not only by a WebSocket: `overHTTP` of `./http`, `overTabs` of `./tabs`. */
  transport?: (socket: any, options: any) => any
}

export interface PublishOptions {
  /** Names the publication: another one with this key makes no second change. Default: one that is made up. */
  key?: string
  /** When the item expires, in seconds since 1970; 0 is never. Default: as before. */
  expiresAt?: number
}

/** The state of a client, to show to a person. */
export type State = "connecting" | "live" | "behind" | "offline" | "closed"

/** What a client went through. */
export interface Stats {
  /** Connections that were made. */
  connections: number
  /** Changes that came again, and were dropped. */
  repeated: number
  /** Times that missing changes were asked for. */
  holes: number
  /** Times that a watch had to start over. */
  resets: number
  /** Changes that were let go because their consumer was slow, and read again later. */
  dropped: number
}

/** What the service refuses. */
export class WatchError extends Error {
  constructor(f: Pick<ErrorFrame, "message" | "topic"> & { code: WatchError["code"] })
  /** `other_view`: a topic is watched with other options already. All others are of the service. */
  readonly code: Code | "other_view"
  readonly topic?: Topic
}

/** Watches and publishes over one connection at a time. */
export class WatchClient extends EventTarget {
  /** @param url the output WebSocketUrl of the service, wss://…/live */
  constructor(url: string | URL, options?: ClientOptions)
  readonly url: string
  /** Each change of it is an event `state`. */
  readonly state: State
  readonly stats: Stats
  /**
   * Watches a topic, or all topics of a pattern (`stocks/*`, `stocks/**`), for as long as the loop
   * over it runs. Every change that the filter, the fields and the token show comes once, in order.
   * It ends with a {@link WatchError} if the service refuses it.
   */
  watch(topic: TopicOrPattern, options?: WatchOptions): AsyncGenerator<WatchEvent, void, void>
  /** Puts an item; without an id it makes one up. It resolves when the service has it in its table, and tries until then. */
  publish(topic: Topic, item: NewItem, options?: PublishOptions): Promise<{ id: ItemID; mark: string }>
  /** Removes an item; one that does not exist is no error. */
  remove(topic: Topic, id: ItemID): Promise<void>
  /** Ends every watch, and closes the connection. It is not opened again. */
  close(): void
}
