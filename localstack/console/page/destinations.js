// What is delivered without a connection, and how far that is.
import { h, fill, panel, head, brief, copyable, table } from "./dom.js"
import { get, every } from "./api.js"
import { httpURL } from "./session.js"
const state = d =>
  d.disabled
    ? ["bad", d.disabled]
    : !d.verified
      ? ["warn", "not verified"]
      : d.topics.some(t => Number(t.failures))
        ? ["warn", "failing"]
        : ["good", "live"]
export const destinations = (main, signal) => {
  const place = h(".stack"),
    cutOff = h("p.soft", { hidden: true }, "The stack looks at 2,000 rows of the table: there are more.")
  main.append(
    head(
      "Destinations",
      "Webhooks, queues, topics, buses and streams that get changes.",
      h("a.button", { href: "/_localstack/webhooks" }, "Webhooks received here"),
    ),
    cutOff,
    place,
  )
  every(2500, signal, async () => {
    const { destinations: list, more } = await get("destinations")
    if (place.contains(document.activeElement)) return
    cutOff.hidden = !more
    fill(
      place,
      list.length > 100 && h("p.soft", {}, `The first 100 of ${list.length} are shown.`),
      list.length
        ? list.slice(0, 100).map(d => {
            const [color, word] = state(d)
            return panel(
              d.name || d.id,
              h(`span.pill.${color}`, {}, word),
              h(
                ".body",
                {},
                h("p", {}, h("span.tag", {}, d.kind), " ", h("code", {}, d.watches), " → ", h("code", {}, d.target)),
                d.filter && h("p.soft", {}, "filter ", h("code", {}, brief(d.filter))),
                d.subject && h("p.soft", {}, `of ${d.subject}`),
                d.topics.length > 0 &&
                  table(
                    `Topics of ${d.name || d.id}`,
                    ["Topic", "Has up to", "Failures", "Last error"],
                    h(
                      "tbody",
                      {},
                      d.topics
                        .slice(0, 100)
                        .map(t =>
                          h(
                            "tr",
                            {},
                            h("td", {}, h("code", {}, t.topic)),
                            h("td", {}, h("code", {}, t.after), t.waiting && [" ", h("span.tag", {}, "waiting")]),
                            h("td.num", {}, t.failures || "–"),
                            h("td", {}, t.lastError || "–"),
                          ),
                        ),
                    ),
                  ),
              ),
            )
          })
        : panel(
            "None yet",
            null,
            h(
              ".body",
              {},
              h(
                "p.soft",
                {},
                "This command makes one that delivers to the stack's own receiver, which shows what came:",
              ),
              copyable(
                "In a terminal",
                `curl ${httpURL}/destinations -H 'Content-Type: application/json' \\\n  -d '{"topic":"orders/**","url":"${location.origin}/_localstack/webhooks"}'`,
              ),
            ),
          ),
    )
  })
}
