// Canonical DAG-CBOR, written only: the same bytes as foedus.base.cbor and foedus.identity.ucan.ipld make.
// tests/page holds it to them. No floats: what is signed has none.

import { concat, utf8, type Bytes } from './bytes.ts'

/** A link of IPLD: the bytes of a CID. */
export class Link {
  readonly cid: Uint8Array
  constructor(cid: Uint8Array) {
    this.cid = cid
  }
}

export type Value = null | boolean | number | bigint | string | Uint8Array | Link | Value[] | { [key: string]: Value }

/** The canonical bytes of a value; throws where it has none. */
export function encode(value: Value): Bytes {
  const parts: Uint8Array[] = []
  write(value, parts)
  return concat(...parts)
}

function write(value: Value, parts: Uint8Array[]): void {
  if (Array.isArray(value)) {
    parts.push(head(4, value.length))
    for (const item of value) write(item, parts)
  } else if (value !== null && typeof value === 'object' && !(value instanceof Uint8Array) && !(value instanceof Link)) {
    const entries = Object.entries(value).map(([key, item]) => ({ key: utf8(key), item }))
    entries.sort((one, other) => order(one.key, other.key))
    parts.push(head(5, entries.length))
    for (const { key, item } of entries) {
      parts.push(head(3, key.length), key)
      write(item, parts)
    }
  } else {
    parts.push(scalar(value))
  }
}

/** Shorter keys first, those of one length by their bytes (the DAG-CBOR specification, "Strictness"). */
function order(one: Uint8Array, other: Uint8Array): number {
  if (one.length !== other.length) return one.length - other.length
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return one[at]! - other[at]!
  return 0
}

function scalar(value: null | boolean | number | bigint | string | Uint8Array | Link): Bytes {
  if (value === null) return Uint8Array.of(0xf6)
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xf5 : 0xf4)
  if (typeof value === 'number' || typeof value === 'bigint') return integer(value)
  if (value instanceof Link) return concat(Uint8Array.of(0xd8, 0x2a), scalar(concat(Uint8Array.of(0), value.cid)))
  const bytes = typeof value === 'string' ? utf8(wellFormed(value)) : value
  return concat(head(typeof value === 'string' ? 3 : 2, bytes.length), bytes)
}

/** A lone half of a surrogate pair has no UTF-8; the encoder of browsers would put another letter in its place. */
function wellFormed(text: string): string {
  if (/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text)) {
    throw new Error('this text is not Unicode')
  }
  return text
}

function integer(value: number | bigint): Bytes {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new Error(`${value} is no whole number`)
  return value >= 0 ? head(0, value) : head(1, -1n - BigInt(value))
}

/** Major type and argument in the fewest bytes. */
function head(major: number, argument: number | bigint): Bytes {
  const number = BigInt(argument)
  if (number < 24n) return Uint8Array.of((major << 5) | Number(number))
  const sizes = [1, 2, 4, 8]
  const place = sizes.findIndex((size) => number < 1n << BigInt(8 * size))
  if (place < 0) throw new Error('an integer has at most 64 bits')
  const size = sizes[place]!
  const bytes = new Uint8Array(1 + size)
  bytes[0] = (major << 5) | (24 + place)
  for (let at = 0; at < size; at++) bytes[size - at] = Number((number >> BigInt(8 * at)) & 0xffn)
  return bytes
}
