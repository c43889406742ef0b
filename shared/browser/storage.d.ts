import type { WatchClient, WatchEvent, WatchOptions } from "./watchroute.d.ts"

export interface KeptOptions extends Omit<WatchOptions, "after" | "cursors"> {
  /** The subject of the token: cursors of different subjects are kept apart. */
  subject?: string
  /** Where cursors are kept. It may answer later, and it may throw: then they are not kept. Default: localStorage. */
  storage?: { getItem(key: string): string | null | undefined | Promise<string | null | undefined>; setItem(key: string, value: string): void | Promise<void> }
}

/**
 * Watches from where an earlier watch of the same URL, subject, topic and options has got to: what came
 * after that comes first. The cursor of an event is kept when the loop asks for the next one. So after a
 * reload, the last events may come once more, and none is left out. What the page has made of the events
 * has to be kept by the page, too. If it keeps nothing, use `client.watch` with `snapshot`.
 */
export function watchOn(client: WatchClient, topic: string, options?: KeptOptions): AsyncGenerator<WatchEvent, void, void>
