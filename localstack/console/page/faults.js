// What is broken on purpose.
import { h, fill, panel, head, many, say } from "./dom.js"
import { get, post, every } from "./api.js"
const steps = [0, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
  percent = r => (r ? `${+(r * 100).toPrecision(2)} %` : "off")
const nearest = r => steps.reduce((best, s, i) => (Math.abs(s - r) < Math.abs(steps[best] - r) ? i : best), 0)
const titles = {
  functions: "Functions",
  posts: "Posts to clients",
  clients: "Clients",
  DynamoDB: "DynamoDB",
  HTTP: "HTTP",
}
export const faults = (main, signal) => {
  const place = h(".stack"),
    banner = h(".banner", { hidden: true, role: "status" }),
    rows = new Map()
  const set = async rates => {
    try {
      draw(await post("faults", { rates }))
    } catch (error) {
      say(error.message)
    }
  }
  const row = k => {
    const range = h("input", {
      type: "range",
      min: "0",
      max: String(steps.length - 1),
      "aria-label": `How often ${k.kind}`,
      oninput: () => {
        word.textContent = percent(steps[range.value])
        range.setAttribute("aria-valuetext", word.textContent)
      },
      onchange: () => set({ [k.kind]: steps[range.value] }),
    })
    const word = h("span"),
      count = h("output"),
      element = h(".fault", {}, h("code", {}, k.kind), h("span.soft", {}, k.text), h(".row", {}, range, word), count)
    return {
      element,
      show: now => {
        element.classList.toggle("on", now.rate > 0)
        if (document.activeElement !== range) range.value = String(nearest(now.rate))
        word.textContent = percent(now.rate)
        range.setAttribute("aria-valuetext", word.textContent)
        count.textContent = now.count ? `${many(now.count)}×` : ""
        count.title = `happened ${now.count} times`
      },
    }
  }
  const draw = ({ kinds, flags }) => {
    if (!kinds.length)
      return fill(place, h("p.empty", {}, "This stack was started without faults. make local has them."))
    if (!rows.size)
      fill(
        place,
        Object.entries(titles).map(([group, title]) =>
          panel(
            title,
            null,
            h(
              "div",
              {},
              kinds
                .filter(k => k.group === group)
                .map(k => {
                  const r = row(k)
                  rows.set(k.kind, r)
                  return r.element
                }),
            ),
          ),
        ),
      )
    for (const k of kinds) rows.get(k.kind).show(k)
    const on = kinds.filter(k => k.rate > 0)
    banner.hidden = !on.length
    fill(banner, h("strong", {}, `${on.length} kind${on.length === 1 ? "" : "s"} of faults on`), h("code", {}, flags))
  }
  const some = { "lose-frame": 0.1, "drop-socket": 0.02, kill: 0.05, "post-429": 0.1 }
  main.append(
    head(
      "Faults",
      "Break the stack while it runs, and watch clients heal: a topic's Arrivals show what went missing and came later. Rates are for each occasion.",
      h("button.primary", { type: "button", onclick: () => set(some) }, "Break a bit"),
      h(
        "button",
        {
          type: "button",
          onclick: async () => {
            const { kinds } = await get("faults")
            set(Object.fromEntries(kinds.map(k => [k.kind, 0])))
          },
        },
        "All off",
      ),
    ),
    banner,
    place,
  )
  every(2000, signal, async () => draw(await get("faults")))
}
