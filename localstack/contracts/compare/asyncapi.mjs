// Compares two AsyncAPI documents: [was, is] as JSON in, a list of what breaks clients of was out.
//
// @asyncapi/diff goes by the places in a document, so the documents are brought into a form in which a place
// means one thing: lists of references become objects, and what is for people is left out. What is in a
// payload is compared in Go.
import { readFileSync } from "node:fs"
import { diff } from "@asyncapi/diff"

const forPeople = ["title", "summary", "description", "examples", "externalDocs", "tags", "license"]

const plain = (value, document) => {
  if (Array.isArray(value)) return value.every(v => v?.$ref) ? Object.fromEntries(value.map(v => [v.$ref.split("/").pop(), v.$ref])) : value.map(v => plain(v, document))
  if (value === null || typeof value !== "object") return value
  if (value.$ref?.startsWith("#/components/")) return plain(value.$ref.slice(2).split("/").reduce((at, name) => at[name], document), document)
  if (value.$ref) return value.$ref // to a channel, or into the schema
  return Object.fromEntries(Object.entries(value).filter(([key]) => !forPeople.includes(key)).map(([key, v]) => [key, plain(v, document)]))
}

const may = { add: "non-breaking", remove: "breaking", edit: "breaking" }
/** What the package does not classify, or otherwise: one more way to authenticate, or one more frame in an answer, breaks nobody. */
const override = {
  "/operations/*/reply/channel": { ...may, add: "breaking" },
  "/operations/*/reply/messages": may,
  "/operations/*/reply/messages/*": may,
  "/servers/*/security": may,
  "/servers/*/security/*": may,
  "/x-remedies": may,
  "/x-remedies/*": may,
  "/x-remedies/*/*": may,
  "/channels/*/bindings/*": may,
  "/channels/*/bindings/*/*": may,
  "/channels/*/bindings/*/*/*": may,
  "/channels/*/bindings/*/*/required": { add: "breaking", remove: "non-breaking", edit: "breaking" },
  "/channels/*/bindings/*/*/properties": may,
  "/channels/*/bindings/*/*/properties/*": may,
}

const [was, is] = JSON.parse(readFileSync(0, "utf8")).map(document => {
  const { components, info, ...whole } = plain(document, document)
  return whole
})
const output = diff(was, is, { override })
const found = [...output.breaking(), ...output.unclassified()] // what nobody has classified may break somebody
console.log(JSON.stringify(found.map(({ action, path, before, after }) => `${path}: ${{ add: "is new", remove: "is gone", edit: `was ${JSON.stringify(before)}, is ${JSON.stringify(after)}` }[action]} (@asyncapi/diff)`)))
