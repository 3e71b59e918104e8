// Councils in words.

import type { CouncilEntryView, CouncilMotionView, CouncilView, PeerView } from '../api/types.ts'
import { unbase64url } from '../core/bytes.ts'
import { session } from '../live/session.svelte.ts'
import { inertName, short } from './text.ts'

type State = CouncilView['state']

export const STATES: Record<State, { words: string; tone: 'good' | 'warn' | 'bad' | '' }> = {
  asked: { words: 'asks this node to join', tone: 'warn' },
  waiting: { words: 'waits for others to join', tone: '' },
  running: { words: 'decides', tone: 'good' },
  down: { words: 'stopped here: the disk failed', tone: 'bad' },
  fetching: { words: 'fetches its state', tone: 'warn' },
  key_changed: { words: 'waits until the others take this node over with its new keys', tone: 'warn' },
  removed: { words: 'goes on without this node', tone: '' },
}

/** Below so many members a council bears no fault. */
export const MEMBERS_MIN = 4

/** How many faults a council bears, as half a sentence. */
export function bears(faults: number): string {
  return faults === 1 ? 'at most one is away or lies' : `at most ${faults} are away or lie`
}

export const OUTCOMES: Record<string, string> = {
  done: 'done',
  value: 'read',
  unequal: 'not done: it was not as expected',
  full: 'not done: the council holds no more',
  late: 'not made: it came too late',
  repeated: 'made before',
  malformed: 'not done: no member knows it',
}

/** Whoever a node is, as `Name` shows it. */
export interface Named {
  known: string
  claimed: string
  id: string
  like: string[]
}

/** Find whose an id is among the members and the peers. */
export function named(id: string, council: CouncilView | undefined, peers: PeerView[]): Named {
  if (id === session.identity?.node) return { known: 'this node', claimed: '', id, like: [] }
  const member = council?.members.find((each) => each.node === id)
  if (member) return { known: member.known_as, claimed: member.name, id, like: member.looks_like }
  const peer = peers.find((each) => each.node === id)
  return { known: peer?.known_as ?? '', claimed: peer?.name ?? '', id, like: peer?.looks_like ?? [] }
}

/** The same as text, where no element can stand. */
export function spoken(who: Named): string {
  return who.known ? inertName(who.known) : who.claimed ? `“${inertName(who.claimed)}”` : inertName(short(who.id))
}

/** A value (base64url) as text, or as bytes where it is none. */
export function valueText(value: string): string {
  const bytes = unbase64url(value)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const shown = Array.from(bytes.slice(0, 64), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
    return `${bytes.length} bytes: ${shown}${bytes.length > 64 ? ' …' : ''}`
  }
}

export function place(entry: { sequence: number; position: number }): string {
  return `${entry.sequence}.${entry.position}`
}

/** What an update does, before its key. */
export function does(entry: CouncilEntryView): 'set' | 'delete' | 'read' | 'other' {
  if (entry.key === null) return 'other'
  return entry.is_read ? 'read' : entry.value === null ? 'delete' : 'set'
}

/** What a motion would do, in one sentence without its host. */
export function motionWords(motion: CouncilMotionView, name: (node: string) => string, room: (id: string) => string): string {
  switch (motion.op) {
    case 'room': {
      const whom = motion.participant ? `${inertName(short(motion.participant))} of ${name(motion.node)}` : name(motion.node)
      const role = motion.role === null ? '' : ` with role ${motion.role}`
      if (motion.kind === 'member.add') return `let ${whom} into the room ${room(motion.subject)}${role}`
      if (motion.kind === 'member.remove') return `take ${whom} out of the room ${room(motion.subject)}`
      return `${inertName(motion.kind)} ${whom}${role} in the room ${room(motion.subject)}`
    }
    case 'agreement':
      return `propose or sign version ${inertName(short(motion.agreement))} of its agreement with ${name(motion.subject)}`
    case 'release':
      return `ask this council no more about ${governed(motion.subject, name, room)}`
    default:
      return 'do something that this node does not know'
  }
}

function governed(subject: string, name: (node: string) => string, room: (id: string) => string): string {
  const [kind, id = ''] = subject.split(':')
  if (kind === 'room') return `the room ${room(id)}`
  return kind === 'pair' ? `its agreement with ${name(id)}` : inertName(subject)
}
