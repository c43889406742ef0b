// What a frame means, in one sentence.
const n = (count, one, more = one + "s") => `${count} ${count === 1 ? one : more}`
const stands = f => (f.cursors ? `${n(Object.keys(f.cursors).length, "topic")} below the pattern` : `seq ${f.seq}`)
const sent = {
  subscribe: f =>
    `Watch ${f.topic}` +
    (f.after ? ` from the cursor ${f.after} on` : f.snapshot ? ", beginning with its items" : " from now on") +
    (f.filter ? ", only items that match a filter" : "") +
    (f.fields ? `, only ${f.fields.join(", ")}` : "") +
    (f.delta ? ", as patches" : "") +
    (f.latest ? ", only the latest of each item" : "") +
    ".",
  unsubscribe: f => `Stop watching ${f.topic}.`,
  snapshot: f => `Ask for ${f.next ? "more of " : ""}the items of ${f.topic}.`,
  publish: f =>
    f.op === "remove"
      ? `Remove the item ${f.item?.id} of ${f.topic}.`
      : `Put the item ${f.item?.id ?? "(a new one)"} of ${f.topic}${f.expiresAt ? ", which expires" : ""}.`,
  ping: f =>
    f.cursors
      ? `Ask whether anything is missing in ${n(Object.keys(f.cursors).length, "topic")}.`
      : "Keep the connection alive.",
  auth: () => "Go on with another token.",
}
const received = {
  subscribed: f =>
    `Watching ${f.topic}: changes follow after ${stands(f)}` + (f.recovered ? ". What was missed comes next." : "."),
  unsubscribed: f => `${f.topic} is not watched any more.`,
  changes: f => {
    const c = f.changes ?? [],
      first = c[0],
      last = c.at(-1)
    return c.length === 1
      ? `Change ${first.seq} of ${first.topic}: ${first.op === "skipped" ? `nothing to show up to ${first.to ?? first.seq}` : `${first.id} was ${first.op}`}.`
      : `${n(c.length, "change")}, from ${first?.seq} to ${last?.to ?? last?.seq} of ${first?.topic}.`
  },
  snapshot: f =>
    `${n((f.items ?? []).length, "item")} of ${f.topic}, true at seq ${f.seq}${f.more || f.next ? "; more follow" : ""}.`,
  reset: f =>
    `Start over with ${f.topic}: ${{ expired: "the log does not reach back so far", epoch: "its numbering has begun anew", limit: "too much was missed", ahead: "there is no such change yet", view: "the token shows other things now" }[f.reason] ?? f.reason}.`,
  published: () => "The table has it; the change that it makes has this mark.",
  pong: f => (f.cursors ? "This is where the topics stand; what was missing came before." : "The connection is alive."),
  error: f => `Refused (${f.code}): ${f.message}`,
  reconnect: f => `This connection ends soon: open another one in ${Math.round((f.delayMs ?? 0) / 1000)} s.`,
}
export const meaning = ({ direction, frame, text }) => {
  if (direction === "open") return "The connection is open."
  if (direction === "close")
    return `The connection is closed (${text})${text.startsWith("1006") ? ": it was lost, without a word" : ""}.`
  const say = direction === "out" ? sent[frame?.action] : received[frame?.type]
  try {
    return say ? say(frame) : frame?.message ? `API Gateway says: ${frame.message}` : "No frame of the protocol."
  } catch {
    return "A frame that lacks something."
  }
}
