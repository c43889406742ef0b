// What has changed between two states of an item.
import { h, brief } from "./dom.js"
const most = 40
const isObject = v => v && typeof v === "object" && !Array.isArray(v)

/** The paths that differ, each with what was there and what is; at most `most`. */
export const differences = (before, after, path = "", found = []) => {
  if (found.length >= most) return found
  if (isObject(before) && isObject(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)]))
      differences(before[name], after[name], path ? `${path}.${name}` : name, found)
  } else if (JSON.stringify(before) !== JSON.stringify(after)) found.push({ path, before, after })
  return found
}

/** Shows a change: what was taken away, and what came. */
export const diff = (before, after) => {
  const found = differences(before ?? {}, after ?? {})
  return h(
    ".diff",
    {},
    found
      .slice(0, 6)
      .map(d =>
        h(
          "span",
          {},
          d.path,
          " ",
          d.before !== undefined && h("del", {}, brief(d.before, 90)),
          d.before !== undefined && d.after !== undefined && " → ",
          d.after !== undefined && h("ins", {}, brief(d.after, 90)),
        ),
      ),
    found.length > 6 && h("span.soft", {}, `and ${found.length >= most ? "many" : found.length - 6} more`),
    !found.length && h("span.soft", {}, "no difference in what is shown"),
  )
}
