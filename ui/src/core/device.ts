// This browser's device: a WebCrypto Ed25519 key that no script can read out, and the token that is bound to it.
// Both live in IndexedDB; the key is kept as the browser's own handle, never as bytes.

import type { Bytes } from './bytes.ts'
import type { Signer } from './signing.ts'

/** What a paired browser keeps. `node` and `device` in hex. */
export interface Pairing {
  keys: CryptoKeyPair
  did: string
  name: string
  node: string
  device: string
  token: string
}

const STORE = 'pairing'
const ONLY = 'this'

export class Key implements Signer {
  readonly keys: CryptoKeyPair
  readonly publicKey: Uint8Array

  private constructor(keys: CryptoKeyPair, publicKey: Uint8Array) {
    this.keys = keys
    this.publicKey = publicKey
  }

  /** A new key; its private half is not extractable. */
  static async make(): Promise<Key> {
    return Key.of((await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair)
  }

  static async of(keys: CryptoKeyPair): Promise<Key> {
    return new Key(keys, new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey)))
  }

  async sign(bytes: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign('Ed25519', this.keys.privateKey, bytes))
  }
}

/** Whether this browser can hold such a key, and why not. */
export async function obstacle(): Promise<string> {
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle) {
    return 'This address is not secure, so the browser lends the page no keys. Use https, or open the page on the machine of the node.'
  }
  try {
    await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])
    return ''
  } catch {
    return 'This browser does not know Ed25519 keys. Chrome 137, Firefox 129, Safari 17 and later do.'
  }
}

export function load(): Promise<Pairing | undefined> {
  return inStore('readonly', (store) => store.get(ONLY) as IDBRequest<Pairing | undefined>)
}

export async function keep(pairing: Pairing): Promise<void> {
  await inStore('readwrite', (store) => store.put(pairing, ONLY))
  await navigator.storage?.persist?.().catch(() => false)
}

export async function forget(): Promise<void> {
  await inStore('readwrite', (store) => store.delete(ONLY))
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('foedus', 1)
    request.onupgradeneeded = () => request.result.createObjectStore(STORE)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

async function inStore<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open()
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode, { durability: 'strict' })
      const request = act(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(request.result)
      transaction.onerror = transaction.onabort = () => reject(transaction.error)
    })
  } finally {
    database.close()
  }
}
