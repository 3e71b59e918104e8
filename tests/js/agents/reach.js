// A stock A2A client: one JSON command a line on stdin, one JSON answer a line on stdout.
import { createInterface } from 'node:readline'
import { SendMessageRequest, taskStateToJSON } from '@a2a-js/sdk'
import {
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
} from '@a2a-js/sdk/client'

let client

const known = (token) => (url, init = {}) => {
  const headers = new Headers(init.headers)
  headers.set('Authorization', `Bearer ${token}`)
  return fetch(url, { ...init, headers })
}

const request = (id, text, returnImmediately) =>
  SendMessageRequest.fromJSON({
    message: { messageId: id, role: 'ROLE_USER', parts: [{ text }] },
    configuration: { returnImmediately },
  })

const shown = (task) => ({ id: task.id, state: taskStateToJSON(task.status.state) })

const commands = {
  async open(url, token) {
    const fetchImpl = known(token)
    const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
      transports: [new JsonRpcTransportFactory({ fetchImpl })],
      cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
    })
    client = await new ClientFactory(options).createFromUrl(url)
    return {}
  },
  async skills() {
    const card = await client.getAgentCard()
    return { signed: card.signatures.length, skills: card.skills.map((skill) => skill.id) }
  },
  async send(id, text) {
    return shown(await client.sendMessage(request(id, text, true)))
  },
  async follow(id, text) {
    const states = []
    for await (const event of client.sendMessageStream(request(id, text, false))) {
      const status = event.payload.value.status
      if (status) states.push(taskStateToJSON(status.state))
    }
    return { states }
  },
  async look(id) {
    const task = await client.getTask({ id, tenant: '' })
    return { ...shown(task), output: task.artifacts.flatMap((it) => it.parts.map((part) => part.content.value)) }
  },
  async cancel(id) {
    return shown(await client.cancelTask({ id, tenant: '' }))
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...rest] = JSON.parse(line)
  try {
    console.log(JSON.stringify(await commands[name](...rest)))
  } catch (error) {
    console.log(JSON.stringify({ error: `${error}` }))
  }
}
