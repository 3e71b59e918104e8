// Signing in: a code claims a pairing for a key that is made here; the key proves itself; a new person enrols by it.

import type { PairStep } from '../api/types.ts'
import { base64url, didOf, hex, random, unbase64url, unhex } from './bytes.ts'
import { encode } from './cbor.ts'
import { Client } from './client.ts'
import { Key, type Pairing } from './device.ts'
import { claimed, labelled, signedAct } from './signing.ts'

/** A pairing under way: `step` until it is `paired`, then `kept` is what to keep. */
export class NewDevice {
  readonly key: Key
  step: PairStep
  private readonly client: Client
  private readonly code: string
  private readonly name: string

  private constructor(key: Key, client: Client, code: string, name: string, step: PairStep) {
    this.key = key
    this.client = client
    this.code = code
    this.name = name
    this.step = step
  }

  /** Spend a code for a new key. */
  static async claim(code: string, name: string): Promise<NewDevice> {
    const client = new Client()
    const key = await Key.make()
    const body = { step: 'claim' as const, code, device: hex(key.publicKey), name }
    return new NewDevice(key, client, plain(code), name, await client.ask('POST /api/pair', { body }))
  }

  /** Whether it is for somebody who is here already: then one of their devices confirms it. */
  get isFurther(): boolean {
    return this.step.did !== ''
  }

  /** Prove the key, once or until somebody has confirmed it. */
  async prove(): Promise<PairStep> {
    const begun = this.step
    const device = this.key.publicKey
    const node = unhex(begun.node)
    const challenge = unbase64url(begun.challenge)
    const signature = await claimed(this.key, { challenge, code: this.code, node, epoch: unhex(begun.epoch), device })
    const possession = begun.did
      ? base64url(await this.key.sign(labelled('body', encode({ did: begun.did, device, node }))))
      : ''
    const enrolment = begun.did ? null : await this.enrolment()
    const body = { step: 'prove' as const, pairing: begun.pairing, signature: base64url(signature), possession, enrolment }
    const next = await this.client.ask('POST /api/pair', { body })
    if (next.state === 'paired') this.step = next
    return next
  }

  /** What to keep of a pairing that is done. */
  kept(): Pairing {
    const { did, node, token } = this.step
    return { keys: this.key.keys, did, node, token, name: this.name, device: hex(this.key.publicKey) }
  }

  private enrolment() {
    const { node, epoch, kind, now } = this.step
    const did = didOf(this.key.publicKey)
    const body = {
      did,
      node: unhex(node),
      kind,
      name: this.name,
      custody: 'device',
      device: this.key.publicKey,
      possession: null,
      recovery: null,
    }
    const draft = { author: did, stream: `participant:${did}`, kind: 'device.enrol', body }
    return signedAct(this.key, draft, { epoch: unhex(epoch), now, nonce: random(16), salt: random(32) })
  }
}

/** The six letters of a code as typed. */
export function plain(code: string): string {
  return code.replace(/[\s-]/g, '').toUpperCase()
}
