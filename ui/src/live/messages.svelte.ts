// The messages of one room: those of late, and each that comes. In the order of their clock.

import type { EventView, MessagesPage, MessageView } from '../api/types.ts'
import { Problem } from '../core/client.ts'
import { inert, inertName } from '../parts/text.ts'
import { session } from './session.svelte.ts'

const PAGE = 500
const OLDER = 1000
const KEPT_MAX = 20_000
const SETTLE_MS = 30

export class Messages {
  items = $state.raw<MessageView[]>([])
  loaded = $state(false)
  problem = $state.raw<Problem>()
  /** Whether the first message of the room is among them. */
  whole = $state(false)
  /** The newest of others in words, for who hears the page. */
  latest = $state('')
  readonly #room: string
  #held = new Map<string, MessageView>()
  #asking = false
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

  /** Ask for the newest; what comes later the stream brings, without a gap. */
  async #load(): Promise<void> {
    try {
      this.#take(await this.#page({ limit: PAGE }), PAGE)
      this.problem = undefined
      this.loaded = true
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      this.problem = error
    }
  }

  /** Ask for those before the oldest that is shown. */
  async older(): Promise<void> {
    const oldest = this.items[0]
    if (!oldest || this.whole || this.#asking || this.items.length >= KEPT_MAX) return
    this.#asking = true
    try {
      this.#take(await this.#page({ limit: OLDER, before: oldest.id }), OLDER)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
    } finally {
      this.#asking = false
    }
  }

  #page(query: { limit: number; before?: string }): Promise<MessagesPage> {
    return session.client.ask('GET /api/v1/rooms/{room}/messages', { path: { room: this.#room }, query })
  }

  #take(page: MessagesPage, asked: number): void {
    if (this.#ended) return
    if (page.messages.length < asked) this.whole = true
    for (const message of page.messages) this.#held.set(message.id, message)
    this.#show()
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
