// Who somebody is, and the token that says what they may do.

/** Topics are below this one: a room's is rooms/general. */
export const base = new URLSearchParams(location.search).get("rooms") ?? "rooms"

export const rooms = [
  { id: "general", name: "General", about: "For everything" },
  { id: "random", name: "Random", about: "For everything else" },
  { id: "moderators", name: "Moderators", about: "For moderators only", staff: true },
]

export const topicOf = room => `${base}/${room.id}`

/** What a token grants. It is spelled out in shared/README.md. */
export const claimOf = ({ moderator }) => {
  const open = rooms.filter(room => moderator || !room.staff).map(topicOf)
  return { v: 1, allow: [
    // Who is no moderator does not see the member `flag` of a message: what was hidden, by whom, and why.
    { topics: open, actions: ["subscribe", "read", "publish", "join"], ...moderator ? {} : { mask: { omit: ["flag"] } } },
    { topics: open.map(topic => topic + "/typing"), actions: ["subscribe", "publish"] },
    { topics: open.map(topic => "@presence/" + topic), actions: ["subscribe", "read"] },
  ] }
}

/**
 * Gives a token. The local stack signs one for whoever asks. In production your back end does, once it
 * knows who asks: it chooses the subject and the claim, never the page.
 */
export const tokenFor = async person => {
  const headers = { "Content-Type": "application/json" }
  const answer = await fetch("/_localstack/token", { method: "POST", headers, body: JSON.stringify({ sub: person.sub, seconds: 3600, claim: claimOf(person) }) })
  const { token, error } = await answer.json()
  if (!token) throw new Error(error)
  return token
}

/** A new person. The subject is a segment of a topic as it is, so it also is the id in the list of who is here. */
export const newPerson = (name, moderator) => ({
  name, moderator,
  sub: (name.toLowerCase().replace(/[^a-z0-9]/g, "").slice(0, 12) || "guest") + "-" + crypto.getRandomValues(new Uint32Array(1))[0].toString(16),
})

const place = "watchroute-chat" // of this tab, so that another tab can be another person

export const remembered = () => {
  try { return JSON.parse(sessionStorage.getItem(place)) } catch { return null }
}

export const remember = person => {
  try { person ? sessionStorage.setItem(place, JSON.stringify(person)) : sessionStorage.removeItem(place) } catch { /* no storage here */ }
}
