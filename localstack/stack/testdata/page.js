// What a page does: it opens a WebSocket, subscribes, and sees what a browser lets it see.
const [url, protocols] = process.argv.slice(-2)
const seen = []
const socket = new WebSocket(url, protocols.split(' '))
socket.onopen = () => {
  seen.push('open ' + socket.protocol)
  socket.send(JSON.stringify({ action: 'subscribe', id: 'q', topic: 'stocks/a' }))
}
socket.onmessage = (event) => {
  const frame = JSON.parse(event.data)
  seen.push(frame.code || frame.type)
  if (frame.type === 'subscribed') socket.close(1000)
}
socket.onerror = () => seen.push('error')
socket.onclose = (event) => seen.push('close ' + event.code)
process.on('exit', () => console.log(seen.join(', ')))
