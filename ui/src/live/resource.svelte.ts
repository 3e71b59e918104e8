// Something that the node was asked for, asked again when it may have changed.

import type { EventView } from '../api/types.ts'
import { Problem } from '../core/client.ts'
import { session } from './session.svelte.ts'

const SETTLE_MS = 150 // many events come together

export interface Again {
  /** Which events change it; none: no event does. */
  when?: (event: EventView) => boolean
  /** Seconds after which it is asked for again anyway, while the page is looked at. */
  every?: number
}

export class Resource<T> {
  value = $state.raw<T>()
  problem = $state.raw<Problem>()
  /** Whether the first answer is still awaited. */
  loading = $state(true)
  #load: (signal: AbortSignal) => Promise<T>
  #asking: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  /** Made while a component is: it asks when the component is shown, and stops with it. */
  constructor(load: (signal: AbortSignal) => Promise<T>, again: Again = {}) {
    this.#load = load
    $effect(() => {
      void session.generation
      void this.reload()
      const deaf = session.hear((event) => {
        if (again.when?.(event)) this.#soon()
      })
      const ticking = again.every
        ? setInterval(() => document.visibilityState === 'visible' && this.reload(), again.every * 1000)
        : undefined
      return () => {
        deaf()
        clearInterval(ticking)
        clearTimeout(this.#timer)
        this.#timer = undefined
        this.#asking?.abort()
      }
    })
  }

  /** Ask now; the answer to an earlier question is no longer waited for. */
  async reload(): Promise<void> {
    this.#asking?.abort()
    const asking = (this.#asking = new AbortController())
    try {
      const value = await this.#load(asking.signal)
      if (asking.signal.aborted) return
      this.value = value
      this.problem = undefined
    } catch (error) {
      if (asking.signal.aborted) return
      // What was shown stays; that the node does not answer is said once, at the top.
      if (error instanceof Problem) this.problem = error
      else throw error
    }
    this.loading = false
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.reload()
    }, SETTLE_MS)
  }
}
