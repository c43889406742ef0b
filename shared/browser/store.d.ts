import type { WatchClient, WatchOptions } from "./watchroute.d.ts"
import type { ItemID, Json, Member as Presence, Topic } from "./wire.d.ts"

export interface LiveItem {
  topic: Topic
  id: ItemID
  data: Record<string, Json>
}

/** Somebody who is present in a topic. Nobody has verified the name. */
export interface Member extends Omit<Presence, "until"> {
  /** The subject of the member's token, as a segment of a topic. */
  id: string
}

/**
 * A store, as React's `useSyncExternalStore` takes it (`subscribe`, `getSnapshot`), Svelte's `$store`
 * and Vue's `customRef`.
 */
export interface Store<Now> {
  /** The state of now: the same object until something has changed. */
  getSnapshot(): Now
  /** Hears of each change, and of the present state at once. It returns a function that stops it. */
  subscribe(listener: (now: Now) => void): () => void
}

export type Live = Store<{
  /** In the order in which they came. */
  items: LiveItem[]
  /** The items have come once. */
  ready: boolean
  /** Why the watch has ended. */
  error?: unknown
}>

export type Members = Store<{
  /** In the order in which they came; empty above about 100, when they are counted every few seconds. */
  members: Member[]
  count: number
  /** They have come once. */
  ready: boolean
  /** Why the watch has ended. */
  error?: unknown
}>

/** The items of a topic, or of all topics of a pattern, as they are now. */
export function live(client: WatchClient, topic: string, options?: Omit<WatchOptions, "after" | "cursors" | "snapshot" | "signal">): Live

/** Who is present in a topic, by subscriptions with `presence`. The token must let `@presence/…` be watched and read. */
export function members(client: WatchClient, topic: string): Members

/** Applies a merge patch (RFC 7396), as changes have with the option `delta`. */
export function merge(target: Json | undefined, patch: Json): Json
