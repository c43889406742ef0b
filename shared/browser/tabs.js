// @ts-check

// One connection for all tabs. One of them leads: it has a Web Lock. It relays the frames of the others,
// which reach it by a BroadcastChannel. Each tab has a whole client with its own cursors, and the relay
// is only a link to it. So a tab resumes at another leader as it does after any lost connection.
//
//     candidate ── gets the lock ──► leader ── pagehide, freeze, the lock was stolen ──► away
//         ▲                            │                                                  │
//         │       a leader is announced: each tab joins it                                │
//         └──────────────────────────── the page's client dials again ◄──────────────────┘

import { near } from "./patterns.js"

/**
 * @typedef {import("./engine.js").Dial} Dial
 * @typedef {import("./engine.js").Events} Events
 * @typedef {import("./engine.js").Link} Link
 *
 * @typedef {object} Socket a connection of the leader
 * @property {number} id
 * @property {Link} [link] undefined before it stands
 * @property {number} heard when the last frame came
 * @property {boolean} stale no other tab is to join it
 * @property {Map<string, number>} tabs those that use it, and since when one waits for an answer, or 0
 * @property {Map<string, {shows: string, name: string | undefined, tabs: Set<string>}>} topics that are subscribed
 * @property {Map<string, number>} orders of publications, by tab and order there
 * @property {number} last order
 */

const joinTime = 1500 // for which a leader may take to answer
const askEvery = 4000 // while the page is shown: whether the leader is still there
const sleepTime = 30_000 // after which a connection that was not heard of is not joined
const failed = 0, dialling = -1, nobody = -2 // what a leader answers who joins, besides the number of a connection, and that none answers

/**
 * The tabs of a browser share one connection: the option `transport` of WatchClient. Without Web Locks
 * and BroadcastChannel, each has its own. So it has with a token whose subject is not known: another tab
 * may be of somebody else.
 * @param {import("./tabs.d.ts").TabsOptions} [options]
 * @returns {(socket: Dial, o: any) => Dial}
 */
export const overTabs = ({ subject = "", transport } = {}) => (dialSocket, o) => {
  const dial = transport ? transport(dialSocket, o) : dialSocket, page = /** @type {any} */ (globalThis), locks = page.navigator?.locks
  if (!locks || !page.BroadcastChannel || o.token && !subject) return dial
  const name = `watchroute ${o.url} ${subject}`
  const links = /** @type {Map<number, {link: Link, events: Events}>} */ (new Map()) // of this tab, by their socket
  let me = "" // while the tab takes part
  let channel = /** @type {BroadcastChannel | undefined} */ (undefined)
  let away = new AbortController() // when it does not take part any more
  let held = /** @type {Promise<void>} */ (Promise.resolve()) // when it has the lock that it gives back when it is gone
  let relay = /** @type {ReturnType<typeof newRelay> | undefined} */ (undefined) // while it leads
  let joining = /** @type {((socket: number) => void) | undefined} */ (undefined)
  let joins = 0
  let asked = 0 // since when the leader has not answered whether it is there
  let alone = false // the browser refuses locks here, as in a sandboxed frame

  /** Hands a message of the leader to the client. @param {any} m */
  const take = m => {
    asked = 0
    if (m.do === "joined") return joining?.(m.socket)
    const at = links.get(m.socket)
    if (m.do === "frame") at?.events.frame(at.link, m.frame)
    if (m.do === "closed" && at) {
      links.delete(m.socket)
      at.events.closed(at.link, m.code)
    }
  }

  /** Says something to one tab, or to all. @param {any} m */
  const say = m => {
    if (m.to !== me) channel?.postMessage(m)
    if (!m.to || m.to === me) queueMicrotask(() => take(m)) // not in the middle of what the client does
  }

  /** Asks the leader for something, which may be this tab. @param {any} m */
  const ask = m => {
    if (relay) relay.accept({ ...m, from: me })
    else channel?.postMessage({ ...m, from: me })
  }

  /** Ends the links of this tab: there is another leader, or none. */
  const cut = () => {
    asked = 0
    for (const [socket] of links) take({ do: "closed", socket, code: 1006 })
  }

  /** Leads until it is away, or another tab takes the lock. @param {AbortController} own */
  const lead = own => new Promise((_, release) => {
    cut()
    relay = newRelay(dial, say, tab => locks.request(`${name} ${tab}`, { signal: own.signal }, () => relay?.leave(tab)).catch(() => {}))
    channel?.postMessage({ do: "lead" })
    if (joining) ask({ do: "join", n: joins })
    own.signal.addEventListener("abort", () => release(own.signal.reason))
  })

  const resign = () => {
    relay?.close()
    relay = undefined
  }

  /** Waits for the lock, or takes it from a leader that does not answer. @param {boolean} steal */
  const stand = steal => {
    const own = away
    let led = false
    locks.request(name, steal ? { steal } : { signal: own.signal }, () => {
      led = true
      return own.signal.aborted ? undefined : lead(own)
    }).catch(() => {}).then(() => {
      if (own !== away || own.signal.aborted) return
      if (!led) {
        alone = true
        return joining?.(failed)
      }
      resign() // the lock was stolen
      cut()
      stand(false)
    })
  }

  /** Takes part from now on. */
  const open = () => {
    if (me) return
    const own = away = new AbortController(), { signal } = own
    me = crypto.getRandomValues(new Uint32Array(2)).join("-")
    channel = new BroadcastChannel(name)
    channel.onmessage = ({ data: m }) => {
      if (m.do === "lead") {
        cut()
        if (joining) ask({ do: "join", n: joins })
      } else if (m.from) relay?.accept(m)
      else if (!m.to || m.to === me) take(m)
    }
    held = new Promise(taken => {
      locks.request(`${name} ${me}`, { signal }, () => new Promise((_, release) => {
        signal.addEventListener("abort", () => release(signal.reason))
        taken()
      })).catch(taken)
    })
    for (const event of ["pagehide", "freeze"]) page.addEventListener?.(event, shut, { signal, capture: true })
    const timer = setInterval(() => {
      if (relay || !links.size && !joining || page.document?.hidden) return
      if (asked) {
        joining?.(nobody)
        return cut()
      }
      asked = Date.now()
      ask({ do: "ask" })
    }, askEvery)
    signal.addEventListener("abort", () => clearInterval(timer))
    stand(false)
  }

  /** Takes no part any more: the lead, the locks and the channel are given up, as they bar the back-forward cache. */
  const shut = () => {
    if (!me) return
    for (const socket of links.keys()) ask({ do: "leave", socket })
    resign()
    cut()
    joining?.(failed)
    me = ""
    channel?.close()
    channel = undefined
    away.abort()
  }

  /** Joins a connection of the leader, and gives its number; failed, or nobody if no leader answers in time. @returns {Promise<number>} */
  const join = () => new Promise(done => {
    joining?.(failed) // the client does not wait for that one any more
    const own = (/** @type {number} */ socket) => {
      clearTimeout(late)
      if (socket === dialling) return
      if (joining === own) joining = undefined
      done(socket)
    }
    const late = setTimeout(own, joinTime, nobody)
    joining = own
    ask({ do: "join", n: ++joins })
  })

  o.signal?.addEventListener("abort", shut)
  return async events => {
    if (alone) return dial(events)
    open()
    await held // a leader that gets the lock first takes the tab for gone
    const first = join(), n = joins
    let socket = await first
    if (n !== joins) throw new Error("the client has dialled again")
    if (alone) {
      shut()
      return dial(events)
    }
    if (socket === nobody && me && !relay) {
      stand(true)
      await new Promise(wake => setTimeout(wake, 100))
      socket = await join()
    }
    if (socket <= failed) throw new Error("there is no connection to join")
    const link = {
      write: (/** @type {Record<string, any>} */ frame) => ask({ do: "write", socket, frame }),
      close: () => {
        if (links.delete(socket)) ask({ do: "leave", socket })
      },
    }
    links.set(socket, { link, events })
    return link
  }
}

/**
 * What a leader does: it has the connections, and hands frames between them and the tabs.
 * @param {Dial} dial @param {(m: any) => void} say @param {(tab: string) => void} mourn calls leave when a tab is gone
 */
const newRelay = (dial, say, mourn) => {
  const sockets = /** @type {Map<number, Socket>} */ (new Map()), known = /** @type {Map<string, {n: number, socket: number}>} */ (new Map()) // tabs, with how they have joined last
  let closed = false

  /** @param {Socket} s @param {number} code */
  const drop = (s, code) => {
    if (!sockets.delete(s.id)) return
    s.link?.close()
    for (const to of s.tabs.keys()) say({ to, do: s.link ? "closed" : "joined", socket: s.link ? s.id : failed, code })
  }

  /** Opens a connection, for the tabs that join it. */
  const open = () => {
    const id = Date.now() * 1000 + Math.floor(Math.random() * 1000)
    const s = /** @type {Socket} */ ({ id, heard: Date.now(), stale: false, tabs: new Map(), topics: new Map(), orders: new Map(), last: 0 })
    sockets.set(id, s)
    dial({ frame: (_, frame) => receive(s, frame), closed: (_, code) => drop(s, code) }).then(link => {
      if (!sockets.has(id) || closed) return link.close()
      s.link = link
      s.heard = Date.now()
      for (const to of s.tabs.keys()) say({ to, do: "joined", socket: id })
    }, () => drop(s, 1006))
    return s
  }

  /** Hands a frame on: to the tab that has asked, or to all. @param {Socket} s @param {string} frame */
  const receive = (s, frame) => {
    s.heard = Date.now()
    let f = /** @type {any} */ (undefined)
    try {
      f = JSON.parse(frame)
    } catch {
      return
    }
    if (f?.type === "reconnect") s.stale = true
    if (typeof f?.id !== "string") {
      for (const to of s.tabs.keys()) say({ to, do: "frame", socket: s.id, frame })
      return
    }
    const [to, id] = f.id.split("/")
    if (f.type !== "snapshot" && s.tabs.has(to)) s.tabs.set(to, 0)
    say({ to, do: "frame", socket: s.id, frame: frame.replace(`"id":${JSON.stringify(f.id)}`, `"id":${JSON.stringify(id)}`) })
  }

  /** Has a tab leave a topic, and whether no other has it. @param {Socket} s @param {string} tab @param {string} topic */
  const leaveTopic = (s, tab, topic) => {
    const of = s.topics.get(topic)
    of?.tabs.delete(tab)
    if (of?.tabs.size) return false
    return s.topics.delete(topic) || !of
  }

  /** @param {Socket} s @param {string} tab @param {any} frame */
  const send = (s, tab, frame) => {
    const { action, topic, id } = frame, name = frame.presence?.name, shows = JSON.stringify([frame.filter, frame.fields, frame.delta, frame.latest])
    const tell = (/** @type {any} */ f) => say({ to: tab, do: "frame", socket: s.id, frame: JSON.stringify({ id, topic, ...f }) })
    if (action === "subscribe") {
      for (const [other, of] of s.topics) {
        if ((other === topic || other.endsWith("*") && near(other, topic) || topic.endsWith("*") && near(topic, other)) && (of.shows !== shows || other === topic && of.name !== name) && !(of.tabs.size === 1 && of.tabs.has(tab))) {
          return tell({ type: "error", code: "other_view", message: "another tab watches the topic with other options" })
        }
      }
      const of = s.topics.get(topic) ?? { shows, name, tabs: new Set() }
      s.topics.set(topic, of)
      Object.assign(of, { shows, name }) // a subscribe without a name would end the presence of the other tabs
      of.tabs.add(tab)
    }
    if (action === "unsubscribe" && !leaveTopic(s, tab, topic)) return tell({ type: "unsubscribed" })
    const key = `${tab}/${frame.order}`, order = action === "publish" ? s.orders.get(key) ?? ++s.last : ++s.last
    if (action === "publish") s.orders.set(key, order)
    for (const oldest of s.orders.keys()) if (s.orders.size > 1000 && s.orders.delete(oldest)) break
    if (!s.tabs.get(tab)) s.tabs.set(tab, Date.now())
    s.link?.write({ ...frame, id: `${tab}/${id}`, order })
  }

  /** @param {Socket} s @param {string} tab */
  const leaveSocket = (s, tab) => {
    const since = s.tabs.get(tab)
    s.tabs.delete(tab)
    if (since && s.heard < since && Date.now() - since > joinTime) s.stale = true // nothing has come since the tab has asked
    if (!s.tabs.size) return drop(s, 1000)
    for (const [topic, of] of s.topics) {
      if (of.tabs.has(tab) && leaveTopic(s, tab, topic)) s.link?.write({ action: "unsubscribe", topic, id: "-/-", order: ++s.last })
    }
  }

  return {
    /** @param {any} m */
    accept: m => {
      const s = sockets.get(m.socket), { from } = m
      if (m.do === "ask") say({ to: from, do: "here" })
      if (m.do === "write" && s?.tabs.has(from)) send(s, from, m.frame)
      else if (m.do === "write") say({ to: from, do: "closed", socket: m.socket, code: 1006 })
      if (m.do === "leave" && s?.tabs.has(from)) leaveSocket(s, from)
      if (m.do !== "join") return
      const before = known.get(from), same = before?.n === m.n ? sockets.get(before?.socket ?? 0) : undefined
      if (!before) mourn(from)
      const to = same ?? [...sockets.values()].find(s => !s.stale && !s.tabs.has(from) && (!s.link || Date.now() - s.heard < sleepTime)) ?? open()
      known.set(from, { n: m.n, socket: to.id })
      to.tabs.set(from, 0)
      say({ to: from, do: "joined", socket: to.link ? to.id : dialling })
    },

    /** @param {string} tab that is gone */
    leave: tab => {
      known.delete(tab)
      for (const s of [...sockets.values()]) if (s.tabs.has(tab)) leaveSocket(s, tab)
    },

    close: () => {
      closed = true
      for (const s of [...sockets.values()]) drop(s, 1006)
    },
  }
}
