// Bytes and their texts: hex for ids, unpadded base64url for the rest, base58 for did:key, base32 for CIDs.

export type Bytes = Uint8Array<ArrayBuffer>

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length))
}

export function utf8(text: string): Bytes {
  return new TextEncoder().encode(text)
}

export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export async function sha256(...parts: Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...parts)))
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** The bytes of lowercase hex; throws where it is none. */
export function unhex(text: string): Bytes {
  if (text.length % 2 || !/^[0-9a-f]*$/.test(text)) throw new Error('this is not hex')
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16))
}

export function base64url(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

export function unbase64url(text: string): Bytes {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))
}

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

export function base58(bytes: Uint8Array): string {
  let number = BigInt('0x0' + hex(bytes))
  let text = ''
  while (number > 0n) {
    text = BASE58[Number(number % 58n)] + text
    number /= 58n
  }
  const zeros = bytes.findIndex((byte) => byte !== 0)
  return '1'.repeat(zeros < 0 ? bytes.length : zeros) + text
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** The bytes of a CID as people see it: the letter b, then lowercase base32 without padding. */
export function cidBytes(text: string): Bytes {
  let bits = 0
  let held = 0
  const bytes: number[] = []
  for (const letter of text.slice(1)) {
    const value = BASE32.indexOf(letter)
    if (value < 0) throw new Error('this is not a CID')
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes.push((held >> bits) & 0xff)
    }
  }
  return Uint8Array.from(bytes)
}

/** did:key of an Ed25519 public key (32 bytes). */
export function didOf(key: Uint8Array): string {
  return 'did:key:z' + base58(concat(Uint8Array.of(0xed, 0x01), key))
}

/** 80 bits of a key's hash, in groups of four, for people to compare on two screens. */
export async function fingerprint(key: Uint8Array): Promise<string> {
  const text = hex((await sha256(key)).slice(0, 10))
  return text.replace(/(.{4})(?=.)/g, '$1 ')
}
