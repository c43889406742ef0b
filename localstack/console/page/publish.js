// Forms that put an item and remove one, and the same as commands to copy.
import { h, fill, panel, field, copyButton, quote } from "./dom.js"
import { client, about, own, topicURL, wscat } from "./session.js"

const attribute = v =>
  v === null
    ? { NULL: true }
    : typeof v === "number"
      ? { N: String(v) }
      : typeof v === "boolean"
        ? { BOOL: v }
        : typeof v === "string"
          ? { S: v }
          : Array.isArray(v)
            ? { L: v.map(attribute) }
            : { M: Object.fromEntries(Object.entries(v).map(([k, x]) => [k, attribute(x)])) }

/** Forms that put and remove an item. */
export const publishView = name => {
  const id = h("input.mono", { placeholder: "made up if empty", autocomplete: "off", spellcheck: "false" })
  const data = h(
    "textarea",
    { "aria-label": "Data, a JSON object", spellcheck: "false", rows: "6" },
    '{\n  "price": 150.75\n}',
  )
  const seconds = h("input", { type: "number", min: "1", placeholder: "never" }),
    fresh = h("input", { type: "checkbox" })
  const result = h("div", { role: "status" }),
    frameOf = () => ({
      action: "publish",
      id: "q1",
      topic: name,
      item: { ...(id.value && { id: id.value }), data: read() },
      ...(seconds.value && { expiresAt: until() }),
    })
  const until = () => Math.floor(Date.now() / 1000) + Number(seconds.value)
  const read = () => {
    const value = JSON.parse(data.value)
    if (!value || typeof value !== "object" || Array.isArray(value)) throw new Error("The data are not a JSON object")
    return value
  }
  const check = () => {
    try {
      read()
      data.removeAttribute("aria-invalid")
    } catch {
      data.setAttribute("aria-invalid", "true")
    }
  }
  data.addEventListener("input", check)
  const doing = what => async e => {
    e?.preventDefault()
    try {
      fill(result, h("p.good", {}, await what()))
    } catch (error) {
      fill(result, h(".error", {}, error.message))
    }
  }
  const put = doing(async () => {
    const item = { ...(id.value && { id: id.value }), data: read() }
    if (!fresh.checked)
      return `Put ${(await client.publish(name, item, seconds.value ? { expiresAt: until() } : {})).id}.`
    const token = await own()
    const answer = await fetch(topicURL(name), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "If-None-Match": "*",
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ ...item, ...(seconds.value && { expiresAt: until() }) }),
    })
    const told = await answer.json()
    if (!answer.ok) throw new Error(`${answer.status}: ${told.detail ?? told.title}`)
    return `Put ${told.id}, which is new.`
  })
  const remove = doing(async () => {
    if (!id.value) throw new Error("Say which item: give its id")
    await client.remove(name, id.value)
    return `Removed ${id.value}.`
  })
  const key = () => id.value || "quote"
  const copies = {
    wscat: () => wscat(frameOf()),
    curl: () =>
      `curl ${quote(topicURL(name))} -H 'Content-Type: application/json'${fresh.checked ? " -H 'If-None-Match: *'" : ""} -d ${quote(JSON.stringify({ ...(id.value && { id: id.value }), data: read(), ...(seconds.value && { expiresAt: until() }) }))}`,
    "aws cli": () =>
      `aws --endpoint-url ${location.origin} --region us-east-1 --no-sign-request dynamodb put-item --table-name ${about.outputs.EventsTable} --item ${quote(JSON.stringify({ topic: { S: name }, id: { S: key() }, ...attribute(read()).M, ...(seconds.value && { expiresAt: { N: String(until()) } }) }))}`,
  }
  return panel(
    "Put an item",
    null,
    h(
      "form.body",
      { onsubmit: put },
      h(
        ".cols",
        {},
        field("Id", id),
        h(
          ".row.end",
          {},
          field("Expires after, in seconds", seconds),
          about.http && h("label.check", {}, fresh, "Only if it is new"),
        ),
      ),
      field("Data, a JSON object", data),
      h(
        ".row",
        {},
        h("button.primary", {}, "Put"),
        h("button.danger", { type: "button", onclick: remove }, "Remove the item"),
        h("span.grow"),
        h("span.soft", {}, "Copy as"),
        Object.entries(copies).map(([n, f]) => copyButton(n, f)),
      ),
      result,
    ),
  )
}
