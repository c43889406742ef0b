export interface TabsOptions {
  /** The subject of the token. Tabs of different subjects do not share a connection. Without it, tabs with a token share none. */
  subject?: string
  /** What the connection is made by, such as `overHTTP(httpUrl)`. Default: a WebSocket. */
  transport?: (socket: any, options: any) => any
}

/**
 * Has the tabs of a browser share one connection: `new WatchClient(url, { transport: overTabs({ subject }) })`.
 * One of them leads. Another takes over when it is closed, frozen or put away, and nothing is lost or
 * repeated by that. A topic is watched with the same filter, fields, delta, latest and presence in all tabs. Where
 * the browser has no Web Locks or no BroadcastChannel, each tab has its own connection.
 */
export function overTabs(options?: TabsOptions): (socket: any, options: any) => any
