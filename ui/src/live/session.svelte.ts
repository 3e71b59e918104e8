// Who is signed in here, and what is live: the one piece of state that all screens share.

import type { CallerView, EventView, IdentityView } from '../api/types.ts'
import { Person } from '../core/acts.ts'
import { Client, Problem } from '../core/client.ts'
import { forget, Key, load, obstacle, type Pairing } from '../core/device.ts'
import { EVENTS, follow } from './stream.ts'

export type Connection = 'opening' | 'open' | 'lost'
type Hearer = (event: EventView) => void

const RATE_SECONDS = 60

class Session {
  /** What the page shows: nothing yet, why it cannot, the way in, or the screens. */
  state = $state<'starting' | 'impossible' | 'out' | 'in'>('starting')
  why = $state('')
  connection = $state<Connection>('opening')
  caller = $state.raw<CallerView>()
  identity = $state.raw<IdentityView>()
  /** Grows whenever all that is shown should be asked for again. */
  generation = $state(0)
  /** Events of each of the last seconds, the newest last. */
  rates = $state.raw<number[]>(Array<number>(RATE_SECONDS).fill(0))

  #client = new Client()
  #person: Promise<Person> | undefined
  #key: Key | undefined
  #stop: (() => void) | undefined
  #hearers = new Set<Hearer>()
  #second = 0
  #ticking: ReturnType<typeof setInterval> | undefined

  get client(): Client {
    return this.#client
  }

  get did(): string {
    return this.caller?.did ?? ''
  }

  /** Whether the node is this person's own: then the page shows all of it. */
  get governs(): boolean {
    return this.caller?.architect ?? false
  }

  async start(): Promise<void> {
    const missing = await obstacle()
    if (missing) {
      this.why = missing
      this.state = 'impossible'
      return
    }
    const held = await load().catch(() => undefined)
    if (held) await this.enter(held)
    else this.state = 'out'
  }

  async enter(pairing: Pairing): Promise<void> {
    this.#key = await Key.of(pairing.keys)
    this.#client = new Client(this.#key, pairing.node, pairing.token)
    // Until the node answers, what pairing left is shown.
    this.caller = { did: pairing.did, name: pairing.name, kind: 'human', device: pairing.device, bound: true, architect: false }
    await this.refresh().catch(() => undefined)
    if (this.state === 'out' && this.why) return
    this.state = 'in'
    this.#stop?.()
    const hearing = {
      opened: (fresh: boolean) => this.#opened(fresh),
      event: (event: EventView) => this.#heard(event),
      lost: () => (this.connection = 'lost'),
      ended: (why: Problem) => this.#ended(why),
    }
    this.#stop = follow(this.#client, hearing, EVENTS)
    clearInterval(this.#ticking)
    this.#ticking = setInterval(() => this.#tick(), 1000)
  }

  /** Forget this browser's key and token. The node is told, so that the token is void there too. */
  async leave(): Promise<void> {
    const device = this.caller?.device ?? ''
    await this.#client
      .ask('DELETE /api/v1/participants/{did}/token', { path: { did: this.did }, query: { device } })
      .catch(() => undefined)
    this.#stop?.()
    clearInterval(this.#ticking)
    await forget()
    location.hash = ''
    location.reload()
  }

  /** The person who acts here, once the node has said how their device was enrolled. */
  person(): Promise<Person> {
    if (!this.#key) throw new Problem(401, { code: 'signed_out', message: 'nobody is signed in', remedy: 'pair this browser' })
    this.#person ??= Person.find(this.#client, this.#key, this.did).catch((error: unknown) => {
      this.#person = undefined
      throw error
    })
    return this.#person
  }

  /** Hear each event as it comes; returns how to hear no more. */
  hear(hearer: Hearer): () => void {
    this.#hearers.add(hearer)
    return () => this.#hearers.delete(hearer)
  }

  async refresh(): Promise<void> {
    try {
      this.caller = await this.#client.ask('GET /api/v1/caller')
      this.identity = await this.#client.ask('GET /api/v1/identity')
    } catch (error) {
      if (error instanceof Problem && error.status === 401) this.#ended(error)
      throw error
    }
  }

  #opened(fresh: boolean): void {
    const was = this.connection
    this.connection = 'open'
    if (fresh || was === 'lost') {
      this.generation += 1
      void this.refresh().catch(() => undefined)
    }
  }

  #heard(event: EventView): void {
    this.#second += 1
    for (const hearer of this.#hearers) hearer(event)
  }

  #tick(): void {
    this.rates = [...this.rates.slice(1), this.#second]
    this.#second = 0
  }

  #ended(why: Problem): void {
    this.why = `${why.message}. ${why.remedy}`
    this.state = 'out'
    this.#stop?.()
    clearInterval(this.#ticking)
  }
}

export const session = new Session()
