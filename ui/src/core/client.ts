// The node's API: each request carries the device's token and a proof that this device sent it. Nothing is in a cookie,
// so no other site can make this browser ask for anything.

import type { Operations, Problem as ProblemBody } from '../api/types.ts'
import { random, unhex, utf8, type Bytes } from './bytes.ts'
import { proof, type Signer } from './signing.ts'

type Name = keyof Operations
type Given<K extends Name> = {
  path?: Operations[K]['path']
  query?: Operations[K]['query']
  body?: Operations[K]['body']
  signal?: AbortSignal
}

/** An answer that is an error: `code` is stable, `remedy` says what to do. `status` 0: there was no answer. */
export class Problem extends Error {
  readonly code: string
  readonly remedy: string
  readonly status: number
  constructor(status: number, body: ProblemBody) {
    super(body.message)
    this.status = status
    this.code = body.code
    this.remedy = body.remedy
  }
}

export const NO_ANSWER: ProblemBody = {
  code: 'no_answer',
  message: 'the node does not answer',
  remedy: 'is it running? This page goes on as soon as it is',
}
const ANSWER_S = 70

export class Client {
  readonly signer: Signer | undefined
  private readonly node: Bytes
  private readonly token: string

  /** Without a token: only what is open to anyone. */
  constructor(signer?: Signer, node = '', token = '') {
    this.signer = signer
    this.node = unhex(node)
    this.token = token
  }

  /** Ask for an operation of the API, by its method and path; throws Problem. */
  async ask<K extends Name>(name: K, given: Given<K> = {}): Promise<Operations[K]['answer']> {
    const [method, target] = addressed(name, given)
    const signal = given.signal ?? AbortSignal.timeout(ANSWER_S * 1000)
    const response = await this.send(method, target, given.body, { accept: 'application/json' }, signal)
    const text = await read(response)
    if (!response.headers.get('content-type')?.includes('json')) return text as Operations[K]['answer']
    return (text ? JSON.parse(text) : undefined) as Operations[K]['answer']
  }

  /** Ask for a stream of events; throws Problem. `lastId`: go on after this one. */
  async stream(
    method: 'GET' | 'POST',
    target: string,
    body?: unknown,
    given: { signal?: AbortSignal; lastId?: string } = {},
  ): Promise<Response> {
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (given.lastId) headers['last-event-id'] = given.lastId
    return this.send(method, target, body, headers, given.signal ?? new AbortController().signal)
  }

  private async send(
    method: string,
    target: string,
    body: unknown,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Response> {
    const data = body === undefined ? new Uint8Array(0) : utf8(JSON.stringify(body))
    if (body !== undefined) headers['content-type'] = 'application/json'
    if (this.token && this.signer) {
      const request = { method, target, body: data, node: this.node, token: this.token }
      headers['authorization'] = `Bearer ${this.token}`
      headers['foedus-proof'] = await proof(this.signer, request, Date.now() * 1000, random(16))
    }
    const options: RequestInit = { method, headers, signal, credentials: 'omit', cache: 'no-store', redirect: 'error' }
    if (body !== undefined) options.body = data
    let response: Response
    try {
      response = await fetch(target, options)
    } catch (error) {
      if (signal.aborted && signal.reason?.name === 'AbortError') throw error
      throw new Problem(0, NO_ANSWER)
    }
    if (!response.ok) throw new Problem(response.status, problemOf(response.status, await read(response)))
    return response
  }
}

async function read(response: Response): Promise<string> {
  try {
    return await response.text()
  } catch {
    throw new Problem(0, NO_ANSWER)
  }
}

function problemOf(status: number, text: string): ProblemBody {
  try {
    const body = JSON.parse(text) as Partial<ProblemBody>
    return { code: String(body.code), message: String(body.message), remedy: String(body.remedy ?? '') }
  } catch {
    return { code: 'bad_answer', message: `the node answered ${status}`, remedy: 'see its log' }
  }
}

function addressed<K extends Name>(name: K, given: Given<K>): [string, string] {
  const [method, path] = name.split(' ') as [string, string]
  const values = (given.path ?? {}) as Record<string, string>
  const filled = path.replace(/{(\w+)}/g, (_, part: string) => encodeURIComponent(values[part] ?? ''))
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(given.query ?? {})) {
    if (value !== undefined && value !== '') query.set(key, String(value))
  }
  return [method, query.size ? `${filled}?${query}` : filled]
}
