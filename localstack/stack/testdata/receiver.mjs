// A receiver of webhooks that verifies them by npm's standardwebhooks. It answers a challenge, keeps
// what comes and says so, and verifies all of it with each secret that it reads.
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { createInterface } from "node:readline"

const { Webhook } = createRequire(process.argv[2] + "/")("standardwebhooks")
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n")
const kept = []

createServer(async (request, response) => {
  let body = ""
  for await (const chunk of request.setEncoding("utf8")) body += chunk
  kept.push({ headers: request.headers, body })
  const { type, challenge } = JSON.parse(body)
  say({ got: request.headers["webhook-id"], body })
  response.end(type === "challenge" ? challenge : "")
}).listen(0, "127.0.0.1", function () { say({ port: this.address().port }) })

createInterface({ input: process.stdin }).on("line", (secret) => {
  const webhook = new Webhook(secret)
  for (const { headers, body } of kept) {
    let valid = true
    try { webhook.verify(body, headers) } catch { valid = false }
    say({ verified: headers["webhook-id"], valid })
  }
  say({ done: true })
}).on("close", () => process.exit())
