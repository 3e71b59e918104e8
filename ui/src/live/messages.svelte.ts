// The messages of one room: those of late, and each that comes. In the order of their clock.

import type { EventView, MessageView } from '../api/types.ts'
import { Problem } from '../core/client.ts'
import { inert, inertName } from '../parts/text.ts'
import { session } from './session.svelte.ts'

const PAGE = 1000
const KEPT_MAX = 20_000
const SETTLE_MS = 30

export class Messages {
  items = $state.raw<MessageView[]>([])
  loaded = $state(false)
  problem = $state.raw<Problem>()
  /** The newest of others in words, for who hears the page. */
  latest = $state('')
  readonly #room: string
  #held = new Map<string, MessageView>()
  #cursor = ''
  #timer: ReturnType<typeof setTimeout> | undefined
  #ended = false

  constructor(room: string) {
    this.#room = room
    $effect(() => {
      void session.generation
      void this.#load()
    })
  }

  follow(): () => void {
    const deaf = session.hear((event) => this.#heard(event))
    return () => {
      this.#ended = true
      clearTimeout(this.#timer)
      deaf()
    }
  }

  /** Ask for what is newer than what is held; the first time for the newest. */
  async #load(): Promise<void> {
    try {
      for (;;) {
        const query = { after: this.#cursor, limit: PAGE }
        const page = await session.client.ask('GET /api/v1/rooms/{room}/messages', { path: { room: this.#room }, query })
        if (this.#ended) return
        const isFirst = this.#cursor === ''
        for (const message of page.messages) this.#held.set(message.id, message)
        this.#cursor = page.cursor
        this.#show()
        if (isFirst || page.messages.length < PAGE) break
      }
      this.problem = undefined
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      this.problem = error
    }
    this.loaded = true
  }

  #heard(event: EventView): void {
    if (event.stream !== `room:${this.#room}`) return
    if (event.message) {
      this.#held.set(event.message.id, event.message)
      if (event.author !== session.did) {
        const { author_known_as: known, author_name: name, text } = event.message
        this.latest = `${inertName(known || name)}: ${inert(text ?? '', 300).shown}`
      }
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined
        this.#show()
      }, SETTLE_MS)
    } else if (event.kind === 'event.erase') {
      this.#cursor = ''
      void this.#load()
    }
  }

  #show(): void {
    const sorted = [...this.#held.values()].sort(
      (one, other) => one.hlc[0]! - other.hlc[0]! || one.hlc[1]! - other.hlc[1]! || (one.id < other.id ? -1 : 1),
    )
    const over = sorted.length - KEPT_MAX
    if (over > 0) for (const message of sorted.splice(0, over)) this.#held.delete(message.id)
    this.items = sorted
  }
}
