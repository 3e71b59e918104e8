// What the states of peers mean, in words.

import type { PeerView } from '../api/types.ts'

export const TIERS = {
  CORE: 'Both send what they share, and pass it on.',
  SANDBOX: 'They may send, nothing goes there.',
  EXTERNAL: 'They may ask, nothing is exchanged.',
  UNKNOWN: 'Nothing is exchanged, and nothing answered.',
} as const

export type Tier = keyof typeof TIERS

/** The clauses of an agreement, as people call them. */
export const CLAUSES: Record<string, string> = {
  rooms: 'Rooms',
  directions: 'May send',
  commands: 'Agents may',
  rates: 'How fast',
  retention: 'Kept for',
  expires: 'Ends',
  signers: 'Human signers',
  humans: 'People',
  approvals: 'Approvals',
}

/** Requests that a person decides. */
export function asks(peer: PeerView): boolean {
  return peer.state === 'incoming' || peer.state === 'answered' || peer.held_epoch !== null
}

export function stateOf(peer: PeerView): { words: string; tone: 'good' | 'warn' | 'bad' | '' } {
  if (peer.state === 'connected') {
    if (peer.paused) return { words: 'paused', tone: 'warn' }
    if (peer.link === 'link') return { words: 'connected', tone: 'good' }
    if (peer.link === 'sse') return { words: 'connected over HTTP', tone: 'good' }
    if (peer.link === 'pull') return { words: 'asked now and then', tone: 'good' }
    return { words: 'not reachable', tone: 'warn' }
  }
  const words: Record<PeerView['state'], string> = {
    requested: 'asked, no answer yet',
    answered: 'said yes: confirm that it is them',
    incoming: 'asks to connect',
    accepting: 'being accepted',
    connected: 'connected',
    disconnected: 'disconnected',
    declined: 'declined here',
    turned_down: 'said no',
    ignored: 'ignored',
    known: 'known',
  }
  return { words: words[peer.state], tone: peer.state === 'incoming' || peer.state === 'answered' ? 'warn' : '' }
}

export function linkOf(peer: PeerView): string {
  return { link: 'by a link', sse: 'by an HTTP stream', pull: 'by HTTP, now and then', none: 'no link' }[peer.link]
}
