// What this browser's device signs: acts, UCAN delegations and revocations, proofs of requests, approvals of agreements.
// The formats are docs/protocol.md; tests/page compares each with what the node makes.

import { base64url, concat, didOf, sha256, unhex, utf8, type Bytes } from './bytes.ts'
import { encode, Link, type Value } from './cbor.ts'

/** A key that signs; its secret half is not in reach of any script. */
export interface Signer {
  readonly publicKey: Uint8Array
  sign(bytes: Bytes): Promise<Bytes>
}

export interface Draft {
  author: string
  stream: string
  kind: string
  body: { [key: string]: Value }
  auth?: Uint8Array[]
}

export interface Moment {
  epoch: Uint8Array
  now: number
  nonce: Uint8Array
  salt: Uint8Array
}

export interface SignedAct {
  act: string
  asig: string
  salt: string
  body: string
}

export function labelled(what: string, bytes: Uint8Array): Bytes {
  return concat(utf8(`foedus/${what}/1\0`), bytes)
}

/** An act as the API takes it (docs/protocol.md, section 3). */
export async function signedAct(signer: Signer, draft: Draft, moment: Moment): Promise<SignedAct> {
  const body = encode(draft.body)
  const act: Value = {
    at: moment.now,
    auth: draft.auth ?? [],
    kind: draft.kind,
    refs: [],
    nonce: moment.nonce,
    author: draft.author,
    device: signer.publicKey,
    digest: await sha256(moment.salt, body),
  }
  const asig = await signer.sign(labelled('act', encode({ act, epoch: moment.epoch, stream: draft.stream })))
  return { act: base64url(encode(act)), asig: base64url(asig), salt: base64url(moment.salt), body: base64url(body) }
}

/** What a grant allows. Lists of ids in hex; none is all. `uses` in an hour, 0: without limit. */
export interface Scope {
  command: string
  rooms?: string[]
  hosts?: string[]
  domains?: string[]
  capabilities?: string[]
  councils?: string[]
  digest?: string
  uses?: number
  afterForeign?: boolean
}

const VARSIG = unhex('3401ed01ed011371')

/** A UCAN 1.0 delegation to `audience` (did:key). `expires` in seconds since 1970. */
export function delegation(
  signer: Signer,
  audience: string,
  scope: Scope,
  expires: number,
  nonce: Uint8Array,
): Promise<Bytes> {
  const meta: { [key: string]: Value } = {}
  if (scope.uses) meta['uses_per_hour'] = scope.uses
  if (scope.afterForeign) meta['after_foreign'] = true
  const limits: [string, string[]][] = [
    ['.room', scope.rooms ?? []],
    ['.domain', scope.domains ?? []],
    ['.capability', scope.capabilities ?? []],
    ['.council', scope.councils ?? []],
    ['.host', scope.hosts ?? []],
    ['.digest', scope.digest ? [scope.digest] : []],
  ]
  const policy = limits.map(([selector, values]) => oneOf(selector, values)).filter((test) => test.length > 0)
  const payload: { [key: string]: Value } = {
    aud: audience,
    sub: didOf(signer.publicKey),
    cmd: scope.command,
    pol: policy,
    nonce,
    exp: expires,
  }
  if (Object.keys(meta).length) payload['meta'] = meta
  return seal(signer, 'ucan/dlg@1.0.0', payload)
}

function oneOf(selector: string, values: string[]): Value[] {
  const tests: Value[][] = values.filter(Boolean).map((value) => ['==', selector, value])
  return tests.length > 1 ? ['or', tests] : (tests[0] ?? [])
}

/** A revocation of the delegation with this CID (36 bytes). */
export function revocation(signer: Signer, cid: Uint8Array): Promise<Bytes> {
  return seal(signer, 'ucan/inv@1.0.0', {
    sub: didOf(signer.publicKey),
    cmd: '/ucan/revoke',
    args: { revoke: new Link(cid) },
    prf: [],
    nonce: new Uint8Array(0),
    exp: null,
  })
}

async function seal(signer: Signer, tag: string, payload: { [key: string]: Value }): Promise<Bytes> {
  const signed = encode({ h: VARSIG, [tag]: { ...payload, iss: didOf(signer.publicKey) } })
  return concat(Uint8Array.of(0x82, 0x58, 64), await signer.sign(signed), signed)
}

/** What a person asks a council: a key to set (`value` null deletes it), if it has the value `expected` (a list of one). */
export interface Proposal {
  council: string
  key: string
  value: Bytes | null
  expected: [Bytes | null] | null
}

/** An update of a council (docs/protocol.md, section Councils). `until`: the last place at which it may be made. */
export async function update(
  signer: Signer,
  author: string,
  asked: Proposal,
  given: { until: number; nonce: Uint8Array; auth: Uint8Array[] },
): Promise<Bytes> {
  const { key, value, expected } = asked
  const unsigned = {
    ...given,
    council: unhex(asked.council),
    author,
    device: signer.publicKey,
    command: encode({ op: 'put', key, value, expected }),
  }
  return encode({ ...unsigned, signature: await signer.sign(labelled('update', encode(unsigned))) })
}

export interface ProvedRequest {
  method: string
  target: string
  body: Uint8Array
  node: Uint8Array
  token: string
}

/** The header `foedus-proof` of one request: it serves once, for a minute. */
export async function proof(signer: Signer, request: ProvedRequest, at: number, nonce: Uint8Array): Promise<string> {
  const signed = encode({
    at,
    body: await sha256(request.body),
    method: request.method,
    node: request.node,
    nonce,
    target: request.target,
    token: await sha256(utf8(request.token)),
  })
  return `${at}.${base64url(nonce)}.${base64url(await signer.sign(labelled('proof', signed)))}`
}

export interface Claim {
  challenge: Uint8Array
  code: string
  node: Uint8Array
  epoch: Uint8Array
  device: Uint8Array
}

/** The new device's answer to the challenge of its pairing. */
export function claimed(signer: Signer, claim: Claim): Promise<Bytes> {
  return signer.sign(labelled('pairing', encode({ ...claim })))
}
