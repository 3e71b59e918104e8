// What others said in rooms since this browser's person last looked: counted from a cursor that is kept here, and
// nowhere else. Up to COUNTED a room, beyond which "many" is all that anybody reads.

import type { EventView, MessageView } from '../api/types.ts'
import { Problem } from '../core/client.ts'
import { session } from './session.svelte.ts'

export const COUNTED = 100
const PLACE = 'foedus-read-'

type Rooms = ReadonlyMap<string, ReadonlyMap<string, string>>

class Unread {
  /** By room: the ids of the messages not read, each with the node of its author. */
  #rooms = $state.raw<Rooms>(new Map())
  #counting = 0

  inRoom(room: string): number {
    return this.#rooms.get(room)?.size ?? 0
  }

  ofNode(node: string): number {
    let sum = 0
    for (const held of this.#rooms.values()) for (const author of held.values()) if (author === node) sum += 1
    return sum
  }

  get all(): number {
    let sum = 0
    for (const held of this.#rooms.values()) sum += held.size
    return sum
  }

  /** Count anew: after the start, and after the stream was lost. A browser that is new has read all that there is. */
  async count(): Promise<void> {
    const counting = ++this.#counting
    const isNew = localStorage.getItem(PLACE + session.did) === null
    const found: Record<string, string> = {}
    try {
      for (const { room, left } of await session.client.ask('GET /api/v1/rooms')) {
        if (left) continue
        const after = this.#book()[room]
        const query = isNew ? { limit: 1 } : after ? { after, limit: COUNTED } : { limit: COUNTED }
        const page = await session.client.ask('GET /api/v1/rooms/{room}/messages', { path: { room }, query })
        if (counting !== this.#counting) return
        if (isNew) found[room] = page.cursor
        else if (this.#book()[room] === after) this.#hold(room, page.messages)
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error // a node that is away is counted at when it is back
      return
    }
    if (isNew) this.#keep({ ...found, ...this.#book() })
  }

  heard(event: EventView): void {
    if (event.message && event.stream.startsWith('room:')) this.#hold(event.message.room, [event.message])
  }

  /** All up to this message was looked at; the cursor of a room is its clock and its id. */
  read({ room, hlc, id }: MessageView): void {
    const book = this.#book()
    const cursor = `${hlc[0]}.${hlc[1]}.${id}`
    if (book[room] !== cursor) this.#keep({ ...book, [room]: cursor })
    if (this.#rooms.has(room)) this.#rooms = new Map([...this.#rooms].filter(([name]) => name !== room))
  }

  #hold(room: string, messages: MessageView[]): void {
    const held = new Map(this.#rooms.get(room))
    for (const message of messages) if (message.author !== session.did && held.size < COUNTED) held.set(message.id, message.node)
    if (held.size) this.#rooms = new Map(this.#rooms).set(room, held)
  }

  #book(): Record<string, string> {
    try {
      return JSON.parse(localStorage.getItem(PLACE + session.did) ?? '{}') as Record<string, string>
    } catch {
      return {}
    }
  }

  #keep(book: Record<string, string>): void {
    localStorage.setItem(PLACE + session.did, JSON.stringify(book))
  }
}

export const unread = new Unread()
