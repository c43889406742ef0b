// How the page is built. Data of users is only ever set as text.

/** Makes an element: h("a.quiet", { href }, "text", child). Event handlers are on…: functions. */
export const h = (what, attributes = {}, ...children) => {
  const [name, ...classes] = what.split(".")
  const element = document.createElement(name || "div")
  if (classes.length) element.className = classes.join(" ")
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value)
    else if (key in element && key !== "list" && typeof value !== "string") element[key] = value
    else if (value !== undefined && value !== null && value !== false)
      element.setAttribute(key, value === true ? "" : value)
  }
  element.append(...children.flat(9).filter(c => c !== undefined && c !== null && c !== false))
  return element
}

/** Replaces what is in an element, unless it would be the same. */
export const fill = (element, ...children) =>
  element.replaceChildren(...children.flat(9).filter(c => c !== undefined && c !== null && c !== false))

export const panel = (title, tools, ...body) =>
  h("section.panel", {}, h(".bar", {}, h("h2", {}, title), tools && h(".row", {}, tools)), ...body)
export const head = (title, text, ...tools) =>
  h(".head", {}, h("h1", {}, title), tools.length > 0 && h(".row", {}, ...tools), text && h("p", {}, text))
/** A table that scrolls by itself. A head is a text, or ["th.num", text] for a column of numbers. */
export const table = (label, heads, rows) => {
  const cells = heads.map(t => (Array.isArray(t) ? h(t[0], { scope: "col" }, t[1]) : h("th", { scope: "col" }, t)))
  const whole = h("table", {}, h("thead", {}, h("tr", {}, cells)), rows)
  return h(".scroll", { tabIndex: 0, role: "region", "aria-label": label }, whole)
}
export const empty = (...text) => h("p.empty", {}, ...text)
export const field = (name, input, more = {}) => h("label", more, name, input)

let hide
/** Says something for a moment. */
export const say = text => {
  const toast = document.getElementById("toast")
  toast.textContent = text
  toast.classList.add("on")
  clearTimeout(hide)
  hide = setTimeout(() => toast.classList.remove("on"), 2500)
}

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
export const many = n => number.format(n)
export const dollars = n => (n === 0 ? "$0" : n < 0.01 ? "$" + n.toFixed(n < 0.0001 ? 7 : 5) : "$" + n.toFixed(2))
export const clock = time =>
  new Date(time).toLocaleTimeString("en-GB", { hour12: false }) +
  "." +
  String(new Date(time).getMilliseconds()).padStart(3, "0")
export const ago = ms =>
  ms < 1000
    ? "now"
    : ms < 60e3
      ? Math.floor(ms / 1000) + " s"
      : ms < 3600e3
        ? Math.floor(ms / 60e3) + " min"
        : Math.floor(ms / 3600e3) + " h"
/** JSON, cut off where it would be too much to show. */
export const brief = (value, most = 300) => {
  const text = JSON.stringify(value) ?? ""
  return text.length > most ? text.slice(0, most) + " …" : text
}
export const pretty = value => {
  const text = JSON.stringify(value, null, 2) ?? ""
  return text.length > 20_000 ? text.slice(0, 20_000) + "\n…" : text
}

/** A text to copy, with a button. */
export const copyable = (title, text) =>
  h(
    ".copy",
    {},
    h(
      ".bar",
      {},
      h("h3", {}, title),
      copyButton("Copy", () => text),
    ),
    h("pre", { tabIndex: 0, "aria-label": title }, text),
  )
/** A text as one word of a shell, whatever is in it. */
export const quote = text => `'${String(text).replaceAll("'", `'\\''`)}'`
export const copyButton = (name, text) =>
  h(
    "button.small",
    {
      type: "button",
      onclick: async () => {
        let copied
        try {
          copied = text()
        } catch (error) {
          return say(`There is nothing to copy: ${error.message}`)
        }
        try {
          await navigator.clipboard.writeText(copied)
          say("Copied")
        } catch {
          say("The browser does not let this page copy")
        }
      },
    },
    name,
  )

/** A button that holds what is shown. changed is called when it is pressed. */
export const pauseButton = changed => {
  const pressed = () => {
    button.paused = !button.paused
    button.setAttribute("aria-pressed", String(button.paused))
    button.textContent = button.paused ? "Go on" : "Pause"
    changed()
  }
  const button = h("button.small", { type: "button", "aria-pressed": "false", onclick: pressed }, "Pause")
  return button
}

/** Tabs, of which the arrow keys choose. */
export const tabs = (label, names, chosen, choose) => {
  const buttons = names.map(name =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        "aria-selected": String(name === chosen),
        tabIndex: name === chosen ? 0 : -1,
        onclick: () => select(name),
      },
      name,
    ),
  )
  const select = name => {
    buttons.forEach((b, i) => {
      b.setAttribute("aria-selected", String(names[i] === name))
      b.tabIndex = names[i] === name ? 0 : -1
    })
    choose(name)
  }
  return h(
    ".tabs",
    {
      role: "tablist",
      "aria-label": label,
      onkeydown: e => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
        if (!step) return
        const next = (buttons.indexOf(document.activeElement) + step + names.length) % names.length
        buttons[next].focus()
        select(names[next])
      },
    },
    buttons,
  )
}

/** Calls f at most once in a while, and at last once more. */
export const seldom = (f, wait = 150) => {
  let timer
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined
      f()
    }, wait)
  }
}
