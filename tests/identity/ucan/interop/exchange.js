// The other side of test_interop.py: iso-ucan issues tokens for foedus, or judges those of foedus.
// Reads one JSON request from standard input, writes one JSON answer to standard output. Bytes are base64.
import { EdDSASigner } from 'iso-signatures/signers/eddsa.js'
import { verifier } from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'

const verifierResolver = new Resolver(verifier)
const bytesOf = (text) => new Uint8Array(Buffer.from(text, 'base64'))
const textOf = (bytes) => Buffer.from(bytes).toString('base64')
const shown = (token) => ({ data: textOf(token.bytes), cid: token.cid.toString() })

async function issue({ seeds, expires, notBefore }) {
  const [alice, bob, carol] = await Promise.all(seeds.map((seed) => EdDSASigner.generate(bytesOf(seed))))
  const root = await Delegation.create({
    iss: alice,
    aud: bob.did,
    sub: alice.did,
    cmd: '/msg',
    pol: [
      ['==', '.room', new Uint8Array([1, 113, 18, 32, ...new Uint8Array(32)])],
      ['or', [['<', '.size', 10.5], ['like', '.title', 'Re: *']]],
    ],
    exp: expires,
    nbf: notBefore,
    meta: { note: 'from the other side', numbers: [0, -1, 1.5, 2 ** 40], nothing: null },
  })
  const next = await Delegation.create({
    iss: bob,
    aud: carol.did,
    sub: null,
    cmd: '/msg/send',
    pol: [['all', '.to', ['like', '.', '*@example.com']]],
    exp: null,
  })
  const invocation = await Invocation.create({
    iss: carol,
    aud: bob.did,
    sub: alice.did,
    cmd: '/msg/send',
    args: {
      room: new Uint8Array([1, 113, 18, 32, ...new Uint8Array(32)]),
      size: 11,
      title: 'Re: coffee',
      to: ['bob@example.com'],
      urgent: false,
      'ünïcode key': { deep: [[], {}] },
    },
    prf: [root, next],
    exp: expires,
    iat: notBefore,
    verifierResolver,
  })
  return { proofs: [root, next].map(shown), invocation: shown(invocation) }
}

async function judge({ executor, proofs, invocation }) {
  const audience = await EdDSASigner.generate(bytesOf(executor))
  try {
    const held = new Map()
    for (const proof of proofs) {
      const delegation = await Delegation.from({ bytes: bytesOf(proof), verifierResolver })
      held.set(delegation.cid.toString(), delegation)
    }
    const judged = await Invocation.from({
      bytes: bytesOf(invocation),
      audience,
      verifierResolver,
      resolveProof: async (cid) => held.get(cid.toString()),
    })
    return { cid: judged.cid.toString(), command: judged.payload.cmd, issuer: judged.payload.iss, size: judged.payload.args.size }
  } catch (error) {
    return { refused: error.message }
  }
}

const chunks = []
for await (const chunk of process.stdin) chunks.push(chunk)
const request = JSON.parse(Buffer.concat(chunks).toString())
const answer = request.do === 'issue' ? await issue(request) : await Promise.all(request.cases.map(judge))
process.stdout.write(JSON.stringify(answer))
