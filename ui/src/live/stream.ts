// One stream, followed for ever: opened again from the last cursor when it breaks. EventSource cannot carry the headers
// that prove this device, so the stream is read by fetch (WHATWG HTML §9.2 is its format).

import { Problem, type Client } from '../core/client.ts'
import { messages } from './sse.ts'

const FIRST_DELAY_MS = 400
const LAST_DELAY_MS = 10_000

export interface Listener<T> {
  /** The stream is open; `fresh`: not from where the last one ended, so what is shown has to be asked for again. */
  opened(fresh: boolean): void
  event(event: T): void
  lost(why: Problem): void
  /** It will never open again: the token is void. */
  ended(why: Problem): void
}

/** What is followed: a path of the API, and after which cursor ('': from now on). */
export interface Source {
  target: string
  after: string
}

export const EVENTS: Source = { target: '/api/v1/events', after: '' }

/** Follow a stream of the node until `stop` is called. */
export function follow<T>(client: Client, listener: Listener<T>, source: Source): () => void {
  const stopping = new AbortController()
  void run(client, listener, source, stopping.signal)
  return () => stopping.abort()
}

async function run<T>(client: Client, listener: Listener<T>, source: Source, stopped: AbortSignal): Promise<void> {
  let cursor = source.after
  let failures = 0
  while (!stopped.aborted) {
    const reading = new AbortController()
    const stop = () => reading.abort()
    stopped.addEventListener('abort', stop)
    try {
      const response = await client.stream('GET', source.target, undefined, { signal: reading.signal, lastId: cursor })
      listener.opened(cursor === '')
      failures = 0
      for await (const message of messages(response, reading)) {
        if (message.event || !message.id) continue
        cursor = message.id
        listener.event(JSON.parse(message.data) as T)
      }
      throw new Problem(0, { code: 'stream_ended', message: 'the node ended the stream', remedy: '' })
    } catch (error) {
      if (stopped.aborted) return
      const problem = error instanceof Problem ? error : new Problem(0, { code: 'lost', message: 'the stream broke', remedy: '' })
      if (problem.status === 410 || problem.code === 'bad_cursor') {
        cursor = ''
        continue
      }
      if (problem.status === 401 || problem.status === 403) {
        listener.ended(problem)
        return
      }
      listener.lost(problem)
    } finally {
      stopped.removeEventListener('abort', stop)
      reading.abort()
    }
    failures += 1
    await pause(Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 6)) * (0.5 + Math.random() / 2), stopped)
  }
}

/** Wait, but not past the moment at which the browser has a network again or the page is looked at. */
function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener('online', done)
      document.removeEventListener('visibilitychange', done)
      stopped.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    addEventListener('online', done)
    document.addEventListener('visibilitychange', done)
    stopped.addEventListener('abort', done)
  })
}
