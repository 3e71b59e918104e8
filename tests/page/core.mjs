// What the page's own code makes of each request on stdin, as hex or text: one line of JSON in, one out.
import { readFileSync } from 'node:fs'
import { webcrypto } from 'node:crypto'

const core = process.argv[2]
const { encode, Link } = await import(`${core}/cbor.ts`)
const signing = await import(`${core}/signing.ts`)
const bytes = await import(`${core}/bytes.ts`)
const { checkRows } = await import(`${core}/audit.ts`)
const { inert, inertName } = await import(`${core}/../parts/text.ts`)

const PKCS8 = '302e020100300506032b657004220420'

async function signer(seed) {
  const key = await webcrypto.subtle.importKey('pkcs8', bytes.unhex(PKCS8 + seed), 'Ed25519', true, ['sign'])
  const { x } = await webcrypto.subtle.exportKey('jwk', key)
  return {
    publicKey: bytes.unbase64url(x),
    sign: async (data) => new Uint8Array(await webcrypto.subtle.sign('Ed25519', key, data)),
  }
}

function value(plain) {
  if (Array.isArray(plain)) return plain.map(value)
  if (plain === null || typeof plain !== 'object') return plain
  if ('$bytes' in plain) return bytes.unhex(plain.$bytes)
  if ('$link' in plain) return new Link(bytes.unhex(plain.$link))
  if ('$int' in plain) return BigInt(plain.$int)
  return Object.fromEntries(Object.entries(plain.$map).map(([key, item]) => [key, value(item)]))
}

const MAKERS = {
  encode: async ({ plain }) => bytes.hex(encode(value(plain))),
  did: async ({ key }) => bytes.didOf(bytes.unhex(key)),
  fingerprint: async ({ key }) => bytes.fingerprint(bytes.unhex(key)),
  cid: async ({ text }) => bytes.hex(bytes.cidBytes(text)),
  act: async ({ seed, draft, moment }) => signing.signedAct(await signer(seed), value(draft), value(moment)),
  delegation: async ({ seed, audience, scope, expires, nonce }) =>
    bytes.hex(await signing.delegation(await signer(seed), audience, scope, expires, bytes.unhex(nonce))),
  update: async ({ seed, author, asked, given }) =>
    bytes.hex(await signing.update(await signer(seed), author, value(asked), value(given))),
  revocation: async ({ seed, cid }) => bytes.hex(await signing.revocation(await signer(seed), bytes.unhex(cid))),
  proof: async ({ seed, request, at, nonce }) => signing.proof(await signer(seed), value(request), at, bytes.unhex(nonce)),
  claim: async ({ seed, claim }) => bytes.hex(await signing.claimed(await signer(seed), value(claim))),
  rows: async ({ rows }) => (await checkRows(rows)).problems,
  inert: async ({ text, most }) => inert(text, most),
  name: async ({ text }) => inertName(text),
}

const made = []
for (const { make, ...given } of JSON.parse(readFileSync(0, 'utf8'))) {
  try {
    made.push(await MAKERS[make](given))
  } catch (error) {
    made.push({ error: String(error.message) })
  }
}
process.stdout.write(JSON.stringify(made))
