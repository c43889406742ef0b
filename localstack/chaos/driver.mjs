// Runs clients of shared/browser in Node, for the checker: see clients.js. It reads lines and writes
// lines.

import { createInterface } from "node:readline"
import { serve } from "./clients.js"

createInterface({ input: process.stdin }).on("line", serve(line => process.stdout.write(line + "\n"))).on("close", () => process.exit())
