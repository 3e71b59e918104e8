// Passkeys: the person's authenticator confirms what this browser's device signed, where the node's policy asks for it.
// What is confirmed, and why it serves for nothing else: docs/protocol.md, section 11.

import { base64url, random, sha256, unbase64url, unhex, utf8, type Bytes } from './bytes.ts'
import { encode } from './cbor.ts'
import { Problem, type Client } from './client.ts'
import { labelled } from './signing.ts'

const ASK_MS = 60_000
/** COSE: EdDSA, ES256, RS256; what the node checks. */
const ALGORITHMS = [-8, -7, -257]

/** Why this page cannot use passkeys, or ''. */
export function passkeyObstacle(): string {
  if (!globalThis.PublicKeyCredential) return 'This browser knows no passkeys.'
  if (/^[\d.]+$|^\[/.test(location.hostname)) {
    return `Browsers keep passkeys for names, not for numbers such as ${location.hostname}. Open the page by the node's name${
      location.hostname === '127.0.0.1' ? ` (http://localhost:${location.port})` : ''
    } and pair it there.`
  }
  return ''
}

/** The challenge of a statement. */
export function challenge(statement: Uint8Array): Promise<Bytes> {
  return sha256(labelled('passkey', statement))
}

export class Passkeys {
  private readonly client: Client
  private readonly did: string

  constructor(client: Client, did: string) {
    this.client = client
    this.did = did
  }

  /** Have what the node requires confirmed: `act`, base64url, as it will be sent. */
  async confirm(act: string): Promise<void> {
    const held = await this.client.ask('GET /api/v1/passkeys')
    if (held.required) await this.show(unbase64url(act))
  }

  /** Make a passkey, and have one that is there let it in. `name`: what people call it. */
  async add(name: string, person: string): Promise<void> {
    const { passkeys } = await this.client.ask('GET /api/v1/passkeys')
    const salt = random(32)
    const statement = encode({ add: name, did: this.did, node: await this.node(), salt })
    const made = (await asked(
      navigator.credentials.create({
        publicKey: {
          rp: { id: location.hostname, name: 'foedus' },
          user: { id: await sha256(utf8(this.did)), name: person, displayName: person },
          challenge: await challenge(statement),
          pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
          excludeCredentials: known(passkeys),
          authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
          attestation: 'none',
          timeout: ASK_MS,
        },
      }),
    )) as PublicKeyCredential
    if (passkeys.length) await this.show(statement)
    const { attestationObject } = made.response as AuthenticatorAttestationResponse
    const response = answer(made, { attestationObject })
    await this.client.ask('POST /api/v1/passkeys', { body: { name, salt: base64url(salt), response } })
  }

  /** Remove one, which any of them confirms. */
  async remove(passkey: string): Promise<void> {
    await this.show(encode({ did: this.did, node: await this.node(), remove: unhex(passkey) }))
    await this.client.ask('DELETE /api/v1/passkeys/{passkey}', { path: { passkey } })
  }

  private async show(statement: Bytes): Promise<void> {
    const { passkeys } = await this.client.ask('GET /api/v1/passkeys')
    const here = passkeys.filter((each) => each.origin === location.origin)
    if (!here.length) {
      throw new Problem(403, {
        code: 'passkey_needed',
        message: 'this has to be confirmed with a passkey, and none was added at this address',
        remedy: 'add one in Settings, under Passkeys',
      })
    }
    const given = (await asked(
      navigator.credentials.get({
        publicKey: {
          challenge: await challenge(statement),
          rpId: location.hostname,
          allowCredentials: known(here),
          userVerification: 'required',
          timeout: ASK_MS,
        },
      }),
    )) as PublicKeyCredential
    const { authenticatorData, signature } = given.response as AuthenticatorAssertionResponse
    const response = answer(given, { authenticatorData, signature })
    const body = { credential: base64url(new Uint8Array(given.rawId)), statement: base64url(statement), response }
    await this.client.ask('POST /api/v1/passkeys/show', { body })
  }

  private async node(): Promise<Bytes> {
    return unhex((await this.client.ask('GET /api/v1/identity')).node)
  }
}

function known(passkeys: { credential: string }[]): PublicKeyCredentialDescriptor[] {
  return passkeys.map((each) => ({ type: 'public-key', id: unbase64url(each.credential) }))
}

/** What the authenticator says; a person who turned it away, and a browser that has none, are no fault of the page. */
async function asked(answering: Promise<Credential | null>): Promise<Credential> {
  const given = await answering.catch((error: unknown) => {
    const words = error instanceof DOMException && error.name === 'InvalidStateError' ? 'this passkey is here already' : ''
    throw new Problem(0, {
      code: 'passkey_refused',
      message: words || 'no passkey confirmed it',
      remedy: words ? 'use another authenticator' : 'try again, and unlock your passkey when the browser asks',
    })
  })
  if (!given) throw new Problem(0, { code: 'passkey_refused', message: 'no passkey confirmed it', remedy: 'try again' })
  return given
}

/** The JSON forms of WebAuthn (level 3, section 5.1): not every browser makes them by itself. */
function answer(credential: PublicKeyCredential, parts: Record<string, ArrayBuffer>): string {
  const id = base64url(new Uint8Array(credential.rawId))
  const all = { clientDataJSON: credential.response.clientDataJSON, ...parts }
  const response = Object.fromEntries(Object.entries(all).map(([name, bytes]) => [name, base64url(new Uint8Array(bytes))]))
  return JSON.stringify({ id, rawId: id, type: credential.type, response })
}
