// Who the console is, its connections, and the frames that pass over them.
import { WatchClient } from "/browser/watchroute.js"
import { get, post } from "./api.js"
import { quote } from "./dom.js"

const mostFrames = 400,
  mostText = 4e6 // characters
export const frames = [] // the latest last
export const bus = new EventTarget()
const tell = name => bus.dispatchEvent(new Event(name))

export const about = await get("about")
export const socketURL = `ws://${location.host}/${about.stage}`
export const httpURL = `${location.origin}/${about.stage}`
/** Where a topic is over HTTP. Its name may come from a link, so nothing of it is more than a name. */
export const topicURL = topic => `${httpURL}/topics/${topic.split("/").map(encodeURIComponent).join("/")}`
/** A command that sends a frame and stays, for a shell. */
export const wscat = frame => `npx wscat -c ${quote(socketURL)} -w -1 -x ${quote(JSON.stringify(frame))}`

const everything = {
  v: 1,
  allow: [{ topics: ["**", "@destinations/**", "@presence/**"], actions: ["subscribe", "read", "publish"] }],
}

let chosen = sessionStorage.getItem("token") ?? ""
export const payload = token => {
  try {
    return JSON.parse(
      new TextDecoder().decode(
        Uint8Array.from(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0)),
      ),
    )
  } catch {
    return undefined
  }
}
export const me = () => (chosen ? (payload(chosen)?.sub ?? "a token") : about.anonymous ? "anonymous" : "console")
/** Whether the console shows what a token shows, and not what there is. */
export const narrowed = () => chosen !== ""
/** Whether the chosen token is over. */
export const expired = () => payload(chosen)?.exp * 1000 < Date.now()
/** The token to use; empty if none is needed. */
export const own = async () => {
  if (chosen || about.anonymous) return chosen
  return (await post("token", { sub: "console", seconds: 3600, claim: everything })).token
}

let held = 0 // characters of the frames
const note = (direction, text, of) => {
  let frame
  try {
    frame = JSON.parse(text)
  } catch {
    frame = undefined
  }
  frames.push({ at: Date.now(), direction, text, frame, of, n: (frames.at(-1)?.n ?? 0) + 1 })
  held += text.length
  while (frames.length > mostFrames || (held > mostText && frames.length > 1)) held -= frames.shift().text.length
  bus.dispatchEvent(new CustomEvent("frame", { detail: frames.at(-1) }))
}
/** A WebSocket whose frames are noted. */
const noted = of =>
  class extends WebSocket {
    constructor(...given) {
      super(...given)
      this.addEventListener("message", e => note("in", String(e.data), of))
      this.addEventListener("open", () => note("open", "", of))
      this.addEventListener("close", e => note("close", `${e.code}${e.reason ? " " + e.reason : ""}`, of))
    }
    send(text) {
      note("out", String(text), of)
      super.send(text)
    }
  }

export let client
const open = () => {
  client?.close()
  client = new WatchClient(socketURL, {
    WebSocket: noted("client"),
    token: chosen || !about.anonymous ? own : undefined,
  })
  client.addEventListener("state", () => tell("state"))
  tell("identity")
}

/** Lets the console be another; without a token, who it was at first. */
export const become = token => {
  chosen = token
  if (token) sessionStorage.setItem("token", token)
  else sessionStorage.removeItem("token")
  raw?.close()
  raw = undefined
  open()
}

let raw
/** Sends a frame as it is, over a connection of its own. */
export const send = async text => {
  if (!raw || raw.readyState > 1) {
    const Socket = noted("form"),
      token = await own()
    raw = new Socket(socketURL, token ? ["watchroute.v1", "bearer." + token] : [])
    await new Promise((done, failed) => {
      raw.addEventListener("open", done)
      raw.addEventListener("close", () => failed(new Error("the connection was refused or lost")))
    })
  }
  raw.send(text)
}
open()
