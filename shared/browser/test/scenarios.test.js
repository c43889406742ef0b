// Plays the scenarios in Node.

import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { play, scenarios } from "./scenarios.js"

const all = scenarios(readFileSync(new URL("../../client/testdata/scenarios.txtar", import.meta.url), "utf8"))
assert.ok(all.length > 0, "there are no scenarios")

for (const { name, script } of all) test(name, () => play(script))
