// Events as a stream (WHATWG HTML §9.2), read from a response. The node says something every 15 s, and no line of it is
// long: who is silent or endless is let go.

const SILENCE_MS = 40_000
const BLOCK_MAX = 4_194_304

export interface Message {
  id: string
  event: string
  data: string
}

export async function* messages(response: Response, reading: AbortController): AsyncGenerator<Message> {
  const chunks = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let held = ''
  let silence = setTimeout(() => reading.abort(), SILENCE_MS)
  try {
    for (;;) {
      const { value, done } = await chunks.read()
      if (done) return
      clearTimeout(silence)
      silence = setTimeout(() => reading.abort(), SILENCE_MS)
      held += value
      let end: number
      while ((end = held.indexOf('\n\n')) >= 0) {
        const message = parsed(held.slice(0, end))
        held = held.slice(end + 2)
        if (message.data) yield message
      }
      if (held.length > BLOCK_MAX) return
    }
  } finally {
    clearTimeout(silence)
    void chunks.cancel().catch(() => undefined)
  }
}

function parsed(block: string): Message {
  const message = { id: '', event: '', data: '' }
  for (const line of block.split('\n')) {
    if (line.startsWith('id: ')) message.id = line.slice(4)
    else if (line.startsWith('event: ')) message.event = line.slice(7)
    else if (line.startsWith('data: ')) message.data += line.slice(6)
  }
  return message
}
