// What was used so far, and what AWS would charge for it.
import { h, fill, panel, head, many, say, dollars, table } from "./dom.js"
import { get, post, every } from "./api.js"
export const costs = (main, signal) => {
  const cards = h(".cards"),
    rows = h("tbody"),
    since = h("span.soft"),
    none = h("p.empty", { hidden: true }, "Nothing was used since then.")
  const card = (value, text) => h(".panel.card", {}, h("b", {}, value), h("span", {}, text))
  const ask = async () => {
    const bill = await get("costs"),
      sum = (service, start) =>
        bill.lines.filter(l => l.service === service && l.what.startsWith(start)).reduce((n, l) => n + l.amount, 0)
    since.textContent = `since ${new Date(bill.since).toLocaleTimeString()}`
    fill(
      cards,
      card(dollars(bill.dollars), "at list price"),
      card(many(sum("DynamoDB", "write")), "write units"),
      card(many(sum("DynamoDB", "read")), "read units"),
      card(many(sum("API Gateway", "messages")), "messages"),
      card(many(sum("API Gateway", "HTTP")), "HTTP requests"),
      card(many(sum("Lambda", "invocations")), "invocations"),
    )
    none.hidden = bill.lines.length > 0
    fill(
      rows,
      bill.lines.map(l =>
        h(
          "tr",
          {},
          h("td", {}, l.service),
          h("td", {}, l.what, l.of && [" ", h("code.soft", {}, l.of)]),
          h("td.num", {}, many(l.amount)),
          h("td.num.wide.soft", {}, "$" + (l.price * 1e6).toLocaleString("en", { maximumFractionDigits: 3 })),
          h("td.num", {}, dollars(l.dollars)),
        ),
      ),
    )
  }
  const reset = h(
    "button",
    {
      type: "button",
      onclick: async () => {
        await post("costs", { reset: true })
        say("Counted anew from now on")
        ask()
      },
    },
    "Count anew",
  )
  main.append(
    head(
      "Costs",
      "What the service has used, at AWS's list prices in us-east-1. What this console looks at is not counted; what it watches and publishes is. Storage, logs and data transfer are left out.",
      since,
      reset,
    ),
    cards,
    panel(
      "By service",
      null,
      table(
        "By service",
        ["Service", "What", ["th.num", "Amount"], ["th.num.wide", "A million"], ["th.num", "Dollars"]],
        rows,
      ),
      none,
    ),
  )
  every(2000, signal, ask)
}
