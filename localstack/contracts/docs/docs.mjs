// Renders the contracts for readers: node docs.mjs TOOLS OUT, in the module's folder. `make docs` runs it.
//
// TOOLS has the packages of localstack/contracts/judges installed. OUT gets an index.html, a page for each
// document with its renderer inside, the documents as they are in events, and each as one JSON file.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

const [tools, out] = process.argv.slice(2).map(path => resolve(path))
const here = dirname(fileURLToPath(import.meta.url)), contracts = resolve("events")
const icon = readFileSync("localstack/console/page/icon.svg", "utf8")
const data = svg => "data:image/svg+xml," + encodeURIComponent(svg)
const logo = icon.replace("<svg ", '<svg x="0" y="4" width="28" height="28" ').replace(/^/, '<svg xmlns="http://www.w3.org/2000/svg" width="190" height="36">') +
  '<text x="38" y="24" font-family="system-ui,-apple-system,Segoe UI,Roboto,sans-serif" font-size="17" font-weight="600" fill="#6473ee">Watchroute</text></svg>'

/** What the renderer may do: nothing of it asks another host for anything. */
const settings = { hideDownloadButtons: true, sortRequiredPropsFirst: true, schemasExpansionLevel: 1, jsonSamplesExpandLevel: 4, hideSchemaPattern: true, showExtensions: ["x-limits", "x-websocket"] }

const redocly = (...args) => {
  try {
    execFileSync(process.execPath, [join(tools, "node_modules/@redocly/cli/bin/cli.js"), ...args], {
      cwd: work, stdio: "pipe", encoding: "utf8", env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" },
    })
  } catch (error) {
    throw new Error(`redocly ${args.join(" ")} failed:\n${error.stdout}${error.stderr}`)
  }
}

mkdirSync(dirname(out), { recursive: true })
const work = mkdtempSync(out + "-") // what is half made is not served
try {
  for (const kind of ["openapi", "asyncapi"]) {
    redocly("bundle", join(contracts, `${kind}.yaml`), "--output", `${kind}.json`)
    const document = JSON.parse(readFileSync(join(work, `${kind}.json`), "utf8"))
    document.info["x-logo"] = { url: data(logo), href: "./", altText: "Watchroute: all of the reference" }
    nameBranches(document.components.schemas)
    for (const schema of Object.values(document.components.schemas)) leaveNothingOut(schema)
    tellLimits(document)
    if (kind === "asyncapi") turnRound(document)
    writeFileSync(join(work, "shown.json"), JSON.stringify(document).replaceAll(/\(\.\/(openapi|asyncapi)\.yaml\)/g, "(./$1.html)"))
    redocly("build-docs", "shown.json", "--output", `${kind}.html`, "--inlineBundle", "--template", join(here, "page.hbs"), `--${kind}`, JSON.stringify(settings))
    writeFileSync(join(work, `${kind}.html`), alone(readFileSync(join(work, `${kind}.html`), "utf8")))
    cpSync(join(contracts, `${kind}.yaml`), join(work, `${kind}.yaml`))
  }
  rmSync(join(work, "shown.json"))
  cpSync(join(contracts, "asyncapi.client.yaml"), join(work, "asyncapi.client.yaml"))
  cpSync(join(contracts, "schema"), join(work, "schema"), { recursive: true })
  cpSync(join(here, "index.html"), join(work, "index.html"))
  writeFileSync(join(work, "icon.svg"), icon)
  chmodSync(work, 0o755)
  rmSync(out, { recursive: true, force: true })
  renameSync(work, out)
} finally {
  rmSync(work, { recursive: true, force: true })
}
console.log(`open ${join(out, "index.html")}, or /docs/ of \`make local\``)

/** Gives a title to each branch of a type that says only which of the type's members go together. The renderer calls it "object" otherwise. */
function nameBranches(schemas) {
  const none = of => of === false || of.type === "null" || of.enum?.includes(null)
  for (const schema of Object.values(schemas)) {
    if (!schema.properties) continue
    for (const branches of [schema, ...(schema.allOf ?? [])].flatMap(s => [s.anyOf ?? [], s.oneOf ?? []])) for (const branch of branches) {
      if (branch.$ref || branch.title || !branch.properties) continue
      const [without, having] = Object.entries(branch.properties).reduce(([no, yes], [name, of]) => (none(of) ? [[...no, name], yes] : [no, [...yes, name]]), [[], []])
      branch.title = [having.length && `with ${having.join(", ")}`, without.length && `without ${without.join(", ")}`].filter(Boolean).join(", ")
    }
  }
}

/** Shows a member that may be null or an empty text, and then counts as left out, by its other type alone. The introduction says this once. */
function leaveNothingOut(schema) {
  for (const [name, of] of Object.entries(schema.properties ?? {})) {
    const types = of.anyOf?.filter(type => type.type !== "null" && type.const !== "")
    if (types?.length !== 1 || types.length === of.anyOf.length) continue
    const { anyOf, ...rest } = of
    schema.properties[name] = types[0].$ref ? { allOf: types, ...rest } : { ...types[0], ...rest }
  }
}

/** Says in words how many bytes a text may have. */
function tellLimits(of) {
  const bytes = of["x-limits"]?.bytes
  if (bytes) {
    if (!/\bbytes\b/.test(of.description)) of.description = `${of.description ?? ""} At most ${bytes.toLocaleString("en")} bytes.`.trim()
    delete of["x-limits"]
  }
  for (const part of Object.values(of)) if (part && typeof part === "object") tellLimits(part)
}

/** Shows operations as a client has them. The document is of the service, and the reader writes a client. */
function turnRound(document) {
  const other = { send: "receive", receive: "send" }
  for (const operation of Object.values(document.operations)) operation.action = other[operation.action]
  document.info.description = document.info.description.replace("\n\n", " On this page, a client sends what is marked SEND, and gets what is marked RECEIVE.\n\n")
}

/** Puts the renderer's own mark into a page that would load it from the renderer's host, and lets only the page's own scripts run. */
function alone(page) {
  const mark = data('<svg xmlns="http://www.w3.org/2000/svg" width="38" height="14"><text y="11" font-family="sans-serif" font-size="11" font-weight="600" fill="#7a8699">Redoc</text></svg>')
  const loaded = /https:\/\/cdn\.redoc\.ly\/redoc\/logo-mini(-full)?\.svg/g
  if (!loaded.test(page)) throw new Error("the renderer has changed: see what it loads from other hosts, and what it calls its mark")
  const marked = page.replace(loaded, () => mark)
  const hashes = [...marked.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map(([, script]) => `'sha256-${createHash("sha256").update(script).digest("base64")}'`)
  return marked.replace("SCRIPTS", () => hashes.join(" "))
}
