// Stock Yjs clients, told what to do by JSON lines on stdin: [command, ...]. Each is answered by one line on stdout.
//   ["open", name, url, room, document, token, participant]   connect; answered when it is in sync
//   ["edit", name, place, text]       insert text
//   ["type", name, place, text]       insert text, each character in a transaction of its own
//   ["cut", name, place, length]      delete
//   ["cursor", name, user]            show a presence
//   ["users", name]                   the users of all presences that are seen, sorted
//   ["text", name]                    the text
//   ["state", name]                   the whole document as an update, base64, as one writes it who has just read it:
//                                     how a client cuts its runs depends on the order in which they came to it
import { createInterface } from 'node:readline'
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'

const editors = new Map()

async function ticket ({ url, room, document, token, participant }) {
  const path = `${url}/api/v1/rooms/${room}/documents/${document}/ticket?as=${encodeURIComponent(participant)}`
  for (;;) {
    try {
      const answer = await fetch(path, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
      if (answer.ok) return (await answer.json()).ticket
      console.error(await answer.text())
    } catch { /* the node is away */ }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function open (name, url, room, document, token, participant) {
  const place = { url, room, document, token, participant }
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(`${url.replace('http', 'ws')}/api/v1/rooms/${room}/documents`, document, doc, {
    params: { ticket: await ticket(place) },
    disableBc: true, // all clients are in this one process, and must meet through the nodes alone
    maxBackoffTime: 200
  })
  provider.on('connection-close', async () => {
    provider.shouldConnect = false // until there is a ticket: each try with a used one would ask for another
    provider.params.ticket = await ticket(place)
    provider.connect()
  })
  editors.set(name, { doc, text: doc.getText('text'), provider })
  await new Promise(resolve => provider.synced ? resolve() : provider.once('sync', resolve))
  return 'open'
}

const commands = {
  open,
  edit: (name, place, text) => {
    const it = editors.get(name).text
    it.insert(Math.min(place, it.length), text)
    return 'done'
  },
  type: (name, place, text) => {
    const it = editors.get(name).text
    for (const [index, character] of [...text].entries()) it.insert(Math.min(place + index, it.length), character)
    return 'done'
  },
  cut: (name, place, length) => {
    editors.get(name).text.delete(place, length)
    return 'done'
  },
  cursor: (name, user) => {
    editors.get(name).provider.awareness.setLocalStateField('user', { name: user })
    return 'done'
  },
  users: name => [...editors.get(name).provider.awareness.getStates().values()]
    .flatMap(state => state.user ? [state.user.name] : []).sort(),
  text: name => editors.get(name).text.toString(),
  state: name => {
    const read = new Y.Doc()
    Y.applyUpdate(read, Y.encodeStateAsUpdate(editors.get(name).doc))
    return Buffer.from(Y.encodeStateAsUpdate(read)).toString('base64')
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line)
  console.log(JSON.stringify(await commands[command](...given)))
}
process.exit(0)
