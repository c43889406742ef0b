// The cursor line of a topic: what came in order, what is missing, what was healed.
import { h, fill } from "./dom.js"

const cells = 120

/** The cursor line: for each number whether, and how, the change came. It sees frames before the client puts them in order. */
export const newLine = name => {
  const seqs = new Map() // of the topic that changed last
  let of = "",
    first = 0,
    last = 0,
    holes = 0,
    healed = 0,
    again = 0
  const strip = h(".line", { role: "img" }),
    text = h("p.soft.num")
  const set = (seq, how) => {
    const was = seqs.get(seq)
    if (was && was !== "missing") {
      again++
      return
    }
    if (was === "missing") {
      healed++
      holes--
      how = how === "got" ? "late" : how
    }
    seqs.set(seq, how)
    first ||= seq
    for (let missing = Math.max(last + 1, seq - 2000); last && missing < seq; missing++)
      if (!seqs.has(missing)) {
        seqs.set(missing, "missing")
        holes++
      }
    last = Math.max(last, seq)
    if (seqs.size > 3000) for (const key of [...seqs.keys()].sort((a, b) => a - b).slice(0, 1500)) seqs.delete(key)
  }
  const matches = topic =>
    topic === name ||
    (name.endsWith("/*") && topic.startsWith(name.slice(0, -1))) ||
    (name.endsWith("/**") && topic.startsWith(name.slice(0, -2)))
  const begin = (topic, seq) => {
    if (of !== topic) {
      seqs.clear()
      of = topic
      first = holes = healed = again = 0
      last = seq
    }
  }
  const frame = ({ direction, frame: f, of: connection }) => {
    if (direction !== "in" || connection !== "client" || !f) return
    if (f.type === "snapshot" && f.topic === name && f.seq > last)
      (begin(f.topic, f.seq), (last = Math.max(last, f.seq)))
    if (f.type !== "changes") return
    for (const c of f.changes ?? []) {
      if (!matches(c.topic)) continue
      begin(c.topic, c.seq - 1)
      for (let seq = Math.max(c.seq, (c.to ?? c.seq) - 500); seq <= (c.to ?? c.seq); seq++)
        set(seq, c.op === "skipped" ? "skipped" : "got")
    }
  }
  const draw = () => {
    const from = Math.max(1, last - cells + 1),
      shown = [...Array(Math.max(0, last - from + 1))].map((_, i) => from + i).filter(seq => seqs.has(seq))
    fill(
      strip,
      shown.map(seq => h(`i.${seqs.get(seq)}`, { title: `${seq}: ${seqs.get(seq)}` })),
    )
    const words = shown.length
      ? `${of === name ? "" : of + ": "}seq ${shown[0]} to ${last}. ${holes ? `${holes} missing` : "Nothing is missing"}${healed ? `, ${healed} healed` : ""}${again ? `, ${again} came again` : ""}.`
      : "Nothing has arrived since you opened this view."
    text.textContent = words
    strip.setAttribute("aria-label", words)
  }
  const legend = h(
    ".legend",
    { "aria-hidden": "true" },
    [
      ["got", "in order"],
      ["missing", "missing"],
      ["late", "healed"],
      ["skipped", "not shown by filter or latest"],
    ].map(([k, t]) => h(`span.${k}`, {}, h("i"), t)),
  )
  return { element: h(".stack.tight", {}, strip, text, legend), frame, draw }
}
