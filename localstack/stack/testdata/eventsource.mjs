// What a page does with EventSources: it opens those that the test asks for, and reports what each of
// them lets a page see. Chromium runs this in a page of the test's own origin. Node runs it with
// npm's eventsource, which lies in the folder that the second argument names.
const [home, folder] = typeof process === 'undefined' ? [location.origin] : process.argv.slice(2)
if (folder) {
  const { createRequire } = await import('node:module')
  globalThis.EventSource = createRequire(folder + '/')('eventsource').EventSource
}

// report says what a source has heard. The test gets the reports in their order.
let reported = Promise.resolve()
const report = heard => {
  reported = reported.then(() => fetch(home + '/heard', { method: 'POST', body: JSON.stringify(heard) }))
}

const names = ['open', 'error', 'subscribed', 'snapshot', 'changes', 'reset']

function open({ source, url }) {
  const stream = new EventSource(url)
  for (const name of names)
    stream.addEventListener(name, e => report({ source, type: name, id: e.lastEventId, data: e.data, state: stream.readyState }))
}

// wrap runs the wrapper of the README, whose pauses are a twentieth as long here.
function wrap({ source, url, wrapper }) {
  const freshToken = async () => {
    const answer = await fetch(`${home}/token?source=${source}`)
    return answer.text()
  }
  const show = frame => report({ source, type: frame.type, data: JSON.stringify(frame) })
  const refused = why => report({ source, type: 'refused', data: JSON.stringify(why) })
  const later = (again, pause) => {
    report({ source, type: 'pause', data: String(pause) })
    setTimeout(again, pause / 20)
  }
  new Function('httpUrl', 'freshToken', 'show', 'refused', 'setTimeout', wrapper)(url, freshToken, show, refused, later)
}

for (;;) {
  const command = await (await fetch(home + '/next')).json()
  command.wrapper ? wrap(command) : open(command)
}
