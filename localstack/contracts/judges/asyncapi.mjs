// Has AsyncAPI's own parser judge a document: node asyncapi.mjs FILE, or URL
import { Parser, fromFile, fromURL } from "@asyncapi/parser"

const from = process.argv[2].includes("://") ? fromURL : fromFile
const { document, diagnostics } = await from(new Parser(), process.argv[2]).parse()
for (const { severity, code, message, path } of diagnostics) console.error(severity, code, message, path.join("/"))
if (!document || diagnostics.length) process.exit(1)
console.log(`AsyncAPI ${document.version()}: ${document.messages().length} messages, ${document.operations().length} operations`)
