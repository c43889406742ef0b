// Publishes an item and follows its topic, with the client that @hey-api/openapi-ts has made of
// openapi.yaml. That checks all it sends and gets. Prints each change with the way it came.
import { client } from "./generated/client.gen.js"
import { publish, readTopic } from "./generated/sdk.gen.js"
import type { Problem, PublishRequest, ServerFrame } from "./generated/types.gen.js"
import { zServerFrame } from "./generated/zod.gen.js"

const [baseUrl, token, topic, text] = process.argv.slice(2)
const item: PublishRequest = JSON.parse(text)
client.setConfig({ baseUrl, auth: way => way.type === "http" ? token : undefined }) // not in the query, too
const path = { topic }

/** The changes after a cursor, held until there is one. */
async function poll(after: string) {
  const { data } = await readTopic({ path, query: { after, wait: 20 }, throwOnError: true })
  if (!data || !("changes" in data)) throw new Error(`no changes: ${JSON.stringify(data)}`)
  return data.changes
}

/** The first changes of a stream of Server-Sent Events. */
async function stream(after: string) {
  const stop = new AbortController()
  const { stream } = await client.sse.get<{ 200: ServerFrame }>({
    url: "/topics/{topic}", path, query: { after }, security: [{ scheme: "bearer", type: "http" }],
    headers: { Accept: "text/event-stream" }, signal: stop.signal, sseMaxRetryAttempts: 1,
    responseValidator: frame => zServerFrame.parseAsync(frame), onSseError: error => { throw error },
  })
  for await (const frame of stream) {
    if (frame.type !== "changes") continue
    stop.abort()
    return frame.changes
  }
  throw new Error("the stream has ended without changes")
}

const { data: before } = await readTopic({ path, throwOnError: true })
if (!before || !("items" in before)) throw new Error(`no items: ${JSON.stringify(before)}`)
const polled = poll(before.cursor)
const { data: published } = await publish({ path, body: item, throwOnError: true })
for (const change of await polled) console.log(JSON.stringify({ by: "long poll", published, change }))
for (const change of await stream(before.cursor)) console.log(JSON.stringify({ by: "stream", published, change }))

const { error, response } = await readTopic({ path: { topic: "elsewhere" } })
const problem = error as Problem
console.log(JSON.stringify({ by: "refusal", status: response?.status, code: problem.code }))
