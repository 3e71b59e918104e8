// What a council makes, as this node makes it: the newest updates, then each as it comes, and older ones on request.

import type { CouncilEntryView } from '../api/types.ts'
import { session } from './session.svelte.ts'
import { follow } from './stream.ts'

/** Places that are shown at first, and more at a time. */
const PLACES = 100
const KEPT_MAX = 20_000
const SETTLE_MS = 80 // many are made together

export class Decided {
  /** In the order of the council. */
  entries = $state.raw<CouncilEntryView[]>([])
  opened = $state(false)
  /** The first place of which all is here. */
  #from: number
  #council: string
  #coming: CouncilEntryView[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Made while a component is: it stops with it. `made`: the newest place at this node. */
  constructor(council: string, made: number) {
    this.#council = council
    this.#from = Math.max(0, made - PLACES)
    $effect(() => {
      const target = `/api/v1/councils/${encodeURIComponent(council)}/events`
      const stop = follow(session.client, this.#listener(), { target, after: String(this.#from) })
      return () => {
        stop()
        clearTimeout(this.#timer)
      }
    })
  }

  get hasOlder(): boolean {
    return this.#from > 0
  }

  async older(): Promise<void> {
    const after = Math.max(0, this.#from - PLACES)
    const query = { after, limit: this.#from - after }
    const path = { council: this.#council }
    const found = await session.client.ask('GET /api/v1/councils/{council}/updates', { path, query })
    this.entries = [...found, ...this.entries]
    this.#from = after
  }

  #listener() {
    return {
      opened: (fresh: boolean) => {
        this.opened = true
        if (fresh) this.entries = this.#coming = [] // what lay between is not held any more
      },
      event: (entry: CouncilEntryView) => {
        this.#coming.push(entry)
        this.#timer ??= setTimeout(() => this.#settle(), SETTLE_MS)
      },
      lost: () => undefined, // the banner says it
      ended: () => undefined,
    }
  }

  #settle(): void {
    this.#timer = undefined
    const all = [...this.entries, ...this.#coming]
    this.#coming = []
    const cut = all.at(-KEPT_MAX - 1)
    this.entries = cut ? all.slice(-KEPT_MAX).filter((entry) => entry.sequence > cut.sequence) : all // whole places
    if (cut) this.#from = cut.sequence
  }
}
