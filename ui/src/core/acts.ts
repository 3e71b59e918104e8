// What a person does on this page that their device signs: speaking, granting, allowing, taking back, asking.

import type { ApprovalView, CouncilDecisionView, ParticipantView, RoomView, TicketView } from '../api/types.ts'
import { base64url, cidBytes, didOf, hex, random, unhex, type Bytes } from './bytes.ts'
import { encode, type Value } from './cbor.ts'
import type { Client } from './client.ts'
import { Problem } from './client.ts'
import { Passkeys } from './passkeys.ts'
import { delegation, labelled, revocation, signedAct, update } from './signing.ts'
import type { Draft, Proposal, Scope, SignedAct, Signer } from './signing.ts'

const ONE_ACT_S = 600
const ASK_WAIT_US = 6_000_000
/** How many places ahead a proposal may be made: half of what a council allows. */
const PROPOSAL_LIFE = 512

/** The person at this page, with the device that signs. */
export class Person {
  readonly did: string
  readonly passkeys: Passkeys
  private readonly client: Client
  private readonly signer: Signer
  private readonly enrolment: Bytes

  constructor(client: Client, signer: Signer, did: string, enrolment: Bytes) {
    this.client = client
    this.passkeys = new Passkeys(client, did)
    this.signer = signer
    this.did = did
    this.enrolment = enrolment
  }

  /** Find the event that enrolled this device; throws Problem where the node does not know it as enrolled. */
  static async find(client: Client, signer: Signer, did: string): Promise<Person> {
    const device = hex(signer.publicKey)
    for (const who of await client.ask('GET /api/v1/participants', { query: { q: did } })) {
      const held = who.did === did && who.is_local ? who.devices.find((each) => each.key === device) : undefined
      if (held && !held.revoked) return new Person(client, signer, did, unhex(held.enrolment))
    }
    throw new Problem(403, {
      code: 'unknown_device',
      message: 'the node does not know this device any more',
      remedy: 'pair this browser again',
    })
  }

  /** Say something in a room. */
  async say(room: RoomView, text: string): Promise<void> {
    const auth = [this.enrolment, unhex(membership(room, await this.ownNode(), this.did))]
    const draft = { author: this.did, stream: `room:${room.room}`, kind: 'message.text', body: { text }, auth }
    const body = await this.sign(draft)
    await this.client.ask('POST /api/v1/rooms/{room}/messages', { path: { room: room.room }, body })
  }

  /** Let an agent do something from now on: one grant for each of its devices. */
  async grant(agent: ParticipantView, scope: Scope, lastsS: number): Promise<void> {
    for (const device of agent.devices.filter((each) => !each.revoked)) {
      const ucan = await this.delegate(didOf(unhex(device.key)), scope, lastsS)
      const body = await this.grantAct(ucan)
      await this.client.ask('POST /api/v1/participants/{did}/acts', { path: { did: this.did }, body })
    }
  }

  /** Allow what waits: exactly this act, or (`standing`) more of its kind, within limits. */
  async allow(view: ApprovalView, standing?: { scope: Scope; lastsS: number }): Promise<ApprovalView> {
    const rooms = view.room ? [view.room] : []
    const scope = standing?.scope ?? { command: view.command, rooms, digest: view.digest }
    const ucan = await this.delegate(view.agent.did, scope, standing?.lastsS ?? ONE_ACT_S)
    const act = await this.grantAct(ucan)
    const path = { approval: view.id }
    return this.client.ask('POST /api/v1/approvals/{approval}/allow', { path, body: { ...act, did: this.did } })
  }

  async deny(view: ApprovalView, reason: string): Promise<ApprovalView> {
    const path = { approval: view.id }
    return this.client.ask('POST /api/v1/approvals/{approval}/deny', { path, body: { did: this.did, reason } })
  }

  /** Take a grant back, for good. */
  async revoke(grant: string, cid: string): Promise<void> {
    const cuts = (await this.client.ask('GET /api/v1/grants/{grant}/cuts', { path: { grant } })) as [string, number, string][]
    const ucan = await revocation(this.signer, cidBytes(cid))
    await this.order('grant.revoke', { ucan, cuts: cuts.map(([chain, seq, last]) => [unhex(chain), seq, unhex(last)]) })
  }

  /** This device's word for an agreement. */
  async word(document: Bytes): Promise<{ did: string; device: string; signature: string }> {
    const signature = base64url(await this.signer.sign(labelled('agreement', document)))
    return { did: this.did, device: hex(this.signer.publicKey), signature }
  }

  /** Publish a packet of knowledge. */
  async publish(domain: string, title: string, content: string, tags: string[]): Promise<void> {
    const body: Value = {
      type: 'note',
      title,
      content,
      data: null,
      confidence: 1_000_000,
      tags: [...new Set(tags)].sort(),
      dependencies: [],
    }
    const draft = { author: this.did, stream: `knowledge:${domain}`, kind: 'knowledge.publish', body, auth: [this.enrolment] }
    const act = await this.sign(draft as Draft)
    await this.client.ask('POST /api/v1/knowledge/acts:signed', { body: { domain, acts: [act] } })
  }

  /** A question to this node, its peers (`direct`) or those behind them (`global`), signed. */
  async question(
    text: string,
    scope: 'local' | 'direct' | 'global',
    kind: 'text' | 'topology' = 'text',
  ): Promise<{ question: string; asig: string }> {
    const context = await this.client.ask('GET /api/v1/signing')
    const plain = encode({
      v: 1,
      node: unhex(context.node),
      epoch: unhex(context.epoch),
      asker: this.did,
      device: this.signer.publicKey,
      kind,
      about: kind === 'text' ? { text } : {},
      scope,
      hops: { local: 0, direct: 1, global: 5 }[scope],
      results: 20,
      at: context.now,
      deadline: context.now + ASK_WAIT_US,
      auth: [this.enrolment],
      nonce: random(16),
    })
    return { question: base64url(plain), asig: base64url(await this.signer.sign(labelled('query', plain))) }
  }

  /** Ask a council in this person's own name; `made`: its newest place. Answers when the council has decided. */
  async propose(asked: Proposal, made: number): Promise<CouncilDecisionView> {
    const given = { until: made + PROPOSAL_LIFE, nonce: random(16), auth: [this.enrolment] }
    const updates = [base64url(await update(this.signer, this.did, asked, given))]
    const path = { council: asked.council }
    const decided = await this.client.ask('POST /api/v1/councils/{council}/updates:signed', { path, body: { updates } })
    return decided[0]!
  }

  /** A ticket to a document; the device signs a session for it once a day. */
  async ticket(room: string, name: string): Promise<string> {
    const ask = (): Promise<TicketView> =>
      this.client.ask('POST /api/v1/rooms/{room}/documents/{name}/ticket', { path: { room, name } })
    const first = await ask()
    if (first.ticket || !first.session) return first.ticket
    const { key, room: place, document, until } = first.session
    await this.order('document.session', { key: unhex(key), room: unhex(place), document: unhex(document), until })
    return (await ask()).ticket
  }

  /** Enrol a further device of this person that waits; its owner compared the fingerprints. */
  async enrol(waiting: { device: string; device_name: string; possession: Bytes; kind: string }): Promise<void> {
    await this.order('device.enrol', {
      did: this.did,
      node: unhex(await this.ownNode()),
      kind: waiting.kind,
      name: waiting.device_name,
      custody: 'device',
      device: unhex(waiting.device),
      possession: waiting.possession,
      recovery: null,
    })
  }

  /** Revoke one of this person's devices. */
  async revokeDevice(key: string): Promise<void> {
    const path = { did: this.did, key }
    const cuts = (await this.client.ask('GET /api/v1/participants/{did}/devices/{key}/cuts', { path })) as [
      string,
      number,
      string,
    ][]
    const named = cuts.map(([chain, seq, last]) => [unhex(chain), seq, unhex(last)])
    await this.order('device.revoke', { device: unhex(key), cuts: named })
  }

  private delegate(audience: string, scope: Scope, lastsS: number): Promise<Bytes> {
    return delegation(this.signer, audience, scope, Math.floor(Date.now() / 1000) + lastsS, random(16))
  }

  private own(kind: string, body: { [key: string]: Value }): Promise<SignedAct> {
    return this.sign({ author: this.did, stream: `participant:${this.did}`, kind, body, auth: [this.enrolment] })
  }

  /** A signed grant; where the node requires it, this person's passkey has confirmed it. */
  private async grantAct(ucan: Bytes): Promise<SignedAct> {
    const act = await this.own('grant.create', { ucan })
    await this.passkeys.confirm(act.act)
    return act
  }

  private async order(kind: string, body: { [key: string]: Value }): Promise<void> {
    const path = { did: this.did }
    await this.client.ask('POST /api/v1/participants/{did}/acts', { path, body: await this.own(kind, body) })
  }

  private async sign(draft: Draft): Promise<SignedAct> {
    const context = await this.client.ask('GET /api/v1/signing')
    const moment = { epoch: unhex(context.epoch), now: Date.now() * 1000, nonce: random(16), salt: random(32) }
    return signedAct(this.signer, draft, moment)
  }

  private async ownNode(): Promise<string> {
    return (await this.client.ask('GET /api/v1/identity')).node
  }
}

/** What a standing grant for acts like one is limited to: its room, domain or council, or its capability at its node. */
export function like(view: ApprovalView): Scope {
  const { domain, capability, council, host } = view.arguments
  return {
    command: view.command,
    rooms: view.room ? [view.room] : [],
    domains: domain ? [domain] : [],
    capabilities: capability ? [capability] : [],
    councils: council ? [council] : [],
    hosts: capability && host ? [host] : [],
  }
}

/** The id of the membership that a person stands on: their own, else their node's. */
function membership(room: RoomView, node: string, did: string): string {
  const ours = room.members.filter((member) => member.node === node)
  const found = ours.find((member) => member.participant === did) ?? ours.find((member) => member.participant === '')
  if (!found) {
    throw new Problem(403, {
      code: 'not_permitted',
      message: 'you are not a member of this room',
      remedy: 'ask its host to share it with this node',
    })
  }
  return found.id
}
