// What the page asks the stack for, and what it changes.
const answer = async response => {
  const body = await response.json().catch(() => ({}))
  if (!response.ok) throw new Error(body.error ?? `the stack answers ${response.status}`)
  return body
}
export const get = async (name, query = {}) => answer(await fetch(`/_localstack/${name}?${new URLSearchParams(query)}`))
export const post = async (name, body) =>
  answer(
    await fetch(`/_localstack/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  )

/** Calls f now and then while the page is seen, until the signal. */
export const every = (milliseconds, signal, f) => {
  let timer
  const turn = async () => {
    if (!document.hidden) await f().catch(() => {}) // the stack is away; the next turn asks again
    if (!signal.aborted) timer = setTimeout(turn, typeof milliseconds === "function" ? milliseconds() : milliseconds)
  }
  signal.addEventListener("abort", () => clearTimeout(timer))
  turn()
}
