import type { Json, WatchClient, WatchOptions } from "./watchroute.d.ts"

export interface LiveItem {
  topic: string
  id: string
  data: Record<string, Json>
}

/**
 * A store, as React's `useSyncExternalStore` takes it (`subscribe`, `getSnapshot`), Svelte's `$store`
 * and Vue's `customRef`.
 */
export interface Live {
  /** The state of now: the same object until something has changed. */
  getSnapshot(): {
    /** In the order in which they came. */
    items: LiveItem[]
    /** The items have come once. */
    ready: boolean
    /** Why the watch has ended. */
    error?: unknown
  }
  /** Hears of each change, and of the present state at once. It returns a function that stops it. */
  subscribe(listener: (now: ReturnType<Live["getSnapshot"]>) => void): () => void
}

/** The items of a topic, or of all topics of a pattern, as they are now. */
export function live(client: WatchClient, topic: string, options?: Omit<WatchOptions, "after" | "cursors" | "snapshot" | "signal">): Live

/** Applies a merge patch (RFC 7396), as changes have with the option `delta`. */
export function merge(target: Json | undefined, patch: Json): Json
