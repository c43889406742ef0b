// Tokens: a grant is put together, spelled out in words, signed, and used.
import { h, fill, panel, head, field, say, pretty, copyable } from "./dom.js"
import { post } from "./api.js"
import { become, me, payload, about } from "./session.js"

const actions = {
  subscribe: "watch",
  read: "read the items of",
  publish: "put and remove items of",
  deliver: "have changes delivered of",
  join: "be shown as present in",
}
const list = words => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`)
const topicWords = t => {
  const [, kind, of] = /^(@presence|@destinations)\/(.+)$/.exec(t) ?? []
  if (kind)
    return `${kind === "@presence" ? "who is present in" : "the state of"} ${kind === "@destinations" ? (of.includes("*") ? "all destinations" : `the destination ${of}`) : topicWords(of)}`
  return t === "**"
    ? "all topics"
    : t === "*"
      ? "all topics of one segment"
      : t.endsWith("/**")
        ? `${t.slice(0, -3)} and all topics below it`
        : t.endsWith("/*")
          ? `the topics directly below ${t.slice(0, -2)}`
          : t
}
const times = [
  [86400, "day"],
  [3600, "hour"],
  [60, "minute"],
  [1, "second"],
]
const span = s => {
  const [unit, name] = times.find(([u]) => s % u === 0) ?? times[3]
  return `${s / unit} ${name}${s === unit ? "" : "s"}`
}
/** A grant in plain sentences. */
export const words = (claim, sub) => [
  ...(claim?.allow ?? []).map(r => {
    const may = list((r.actions ?? []).map(a => actions[a] ?? a)),
      of = list((r.topics ?? []).map(t => topicWords(t.replaceAll("{sub}", sub || "{sub}"))))
    const text = `May ${may || "do nothing with"} ${of || "no topic"}.`
    const only = r.filter ? ` Only items that match ${JSON.stringify(r.filter)}.` : "",
      hides = r.mask?.omit ? ` Never sees ${list(r.mask.omit)}.` : "",
      masks = r.mask?.replace
        ? ` Sees ${list(Object.entries(r.mask.replace).map(([k, v]) => `${JSON.stringify(v)} in place of ${k}`))}.`
        : ""
    return text + only + hides + masks
  }),
  ...(claim?.deliverFor
    ? [`A destination that it registers lives for ${span(claim.deliverFor)}, and longer if it is renewed.`]
    : []),
]

export const token = main => {
  const sub = h("input", { value: "ada", autocomplete: "off", spellcheck: "false" }),
    seconds = h(
      "select",
      {},
      [
        ["3600", "an hour"],
        ["60", "a minute"],
        ["86400", "a day"],
        ["2592000", "30 days"],
      ].map(([v, t]) => h("option", { value: v }, t)),
    )
  const rules = [],
    place = h(".stack.tight"),
    spelled = h("ul.words"),
    result = h("div", { role: "status" }),
    json = h("pre", { tabIndex: 0 })
  const life = h("input", { type: "number", min: "60", max: "31536000", placeholder: "2592000" }),
    lives = field("Destinations live for, in seconds", life)
  const claim = () => ({
    v: 1,
    allow: rules.map(r => r.read()),
    ...(!lives.hidden && life.value && { deliverFor: Number(life.value) }),
  })
  const draw = () => {
    lives.hidden = !rules.some(r => r.delivers())
    try {
      const c = claim()
      fill(
        spelled,
        words(c, sub.value).map(w => h("li", {}, w)),
      )
      json.textContent = pretty(c)
    } catch (error) {
      fill(spelled, h("li.bad", {}, error.message))
    }
  }
  const add = (topics = "", chosen = ["subscribe", "read"]) => {
    const of = h("input.mono", {
        value: topics,
        placeholder: "stocks/* users/{sub}/**",
        autocomplete: "off",
        spellcheck: "false",
      }),
      boxes = Object.keys(actions).map(a => [a, h("input", { type: "checkbox", checked: chosen.includes(a) })])
    const filter = h("input.mono", { placeholder: '{"public":[true]}', autocomplete: "off", spellcheck: "false" }),
      omit = h("input.mono", { placeholder: "secret, seller.phone", autocomplete: "off" }),
      replace = h("input.mono", { placeholder: '{"card":"****"}', autocomplete: "off", spellcheck: "false" })
    const json = (input, what) => {
      try {
        const value = JSON.parse(input.value)
        if (value && typeof value === "object" && !Array.isArray(value)) return value
      } catch {
        /* told below */
      }
      throw new Error(`${what} is not a JSON object`)
    }
    const rule = {
      delivers: () => boxes.some(([a, b]) => a === "deliver" && b.checked),
      read: () => {
        const r = {
          topics: of.value.split(/[\s,]+/).filter(Boolean),
          actions: boxes.filter(([, b]) => b.checked).map(([a]) => a),
        }
        if (filter.value.trim()) r.filter = json(filter, "The filter of a rule")
        if (omit.value.trim())
          r.mask = {
            omit: omit.value
              .split(",")
              .map(t => t.trim())
              .filter(Boolean),
          }
        if (replace.value.trim()) r.mask = { ...r.mask, replace: json(replace, "What a rule shows instead") }
        return r
      },
    }
    const element = h(
      "fieldset.rule",
      { oninput: draw },
      h("legend.soft", {}, "Rule"),
      field("Topics and patterns, separated by spaces", of),
      h(
        ".row",
        {},
        boxes.map(([a, b]) => h("label.check", {}, b, a)),
      ),
      h(".cols", {}, field("Only items that match (filter)", filter), field("Hide these members", omit)),
      field("Show these values instead (JSON)", replace),
      h(
        ".row",
        {},
        h(
          "button.small.danger",
          {
            type: "button",
            onclick: () => {
              rules.splice(rules.indexOf(rule), 1)
              element.remove()
              draw()
            },
          },
          "Remove this rule",
        ),
      ),
    )
    rules.push(rule)
    place.append(element)
    draw()
  }
  sub.addEventListener("input", draw)
  life.addEventListener("input", draw)
  const make = async e => {
    e.preventDefault()
    try {
      const { token, expires } = await post("token", { sub: sub.value, seconds: Number(seconds.value), claim: claim() })
      fill(
        result,
        h(
          ".stack.tight",
          {},
          copyable(`Token of ${sub.value}, until ${new Date(expires).toLocaleString()}`, token),
          h(
            ".row",
            {},
            h(
              "button.primary",
              {
                type: "button",
                onclick: () => {
                  become(token)
                  say(`The console is ${payload(token)?.sub} now`)
                },
              },
              "Use this token in the console",
            ),
          ),
        ),
      )
    } catch (error) {
      fill(result, h(".error", { role: "alert" }, error.message))
    }
  }
  const given = h("textarea", { rows: "3", spellcheck: "false", placeholder: "eyJhbGciOi…" }),
    read = h("div", { role: "status" })
  given.addEventListener("input", () => {
    const p = payload(given.value.trim())
    fill(
      read,
      !given.value.trim()
        ? ""
        : !p
          ? h(".error", {}, "This is not a token.")
          : [
              h("p", {}, h("strong", {}, String(p.sub)), p.exp && ` until ${new Date(p.exp * 1000).toLocaleString()}`),
              h(
                "ul.words",
                {},
                words(p.watchroute, p.sub).map(w => h("li", {}, w)),
              ),
              h(
                ".row",
                {},
                h(
                  "button",
                  { type: "button", onclick: () => become(given.value.trim()) },
                  "Use this token in the console",
                ),
              ),
            ],
    )
  })
  main.append(
    head(
      "Tokens",
      "A token says who a client is and what it may do. The stack signs it with its own secret.",
      h("span.tag", {}, `the console is ${me()}`),
      sessionStorage.getItem("token") &&
        h(
          "button",
          { type: "button", onclick: () => become("") },
          about.anonymous ? "Be anonymous again" : "Be the console again",
        ),
    ),
    h(
      ".cols",
      {},
      panel(
        "Make a token",
        null,
        h(
          "form.body",
          { onsubmit: make },
          h(".cols", {}, field("Subject", sub), field("Valid for", seconds)),
          place,
          lives,
          h(
            "p.soft",
            {},
            "Wildcards do not match topics that begin with @. Name them: @presence/rooms/* is who is present in rooms, @destinations/** is the state of destinations. Whoever is to be present in rooms/1 needs join on rooms/1.",
          ),
          h(
            ".row",
            {},
            h("button.small", { type: "button", onclick: () => add() }, "Add a rule"),
            h("span.grow"),
            h("button.primary", {}, "Make the token"),
          ),
          result,
        ),
      ),
      h(
        ".stack",
        {},
        panel("In words", null, h(".body", {}, spelled, h("details", {}, h("summary.soft", {}, "The claim"), json))),
        panel("Read a token", null, h(".body", {}, field("Token", given), read)),
      ),
    ),
  )
  add("stocks/*", ["subscribe", "read"])
}
