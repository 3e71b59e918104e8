// Text that others wrote, made harmless to look at, and the words of this page for times and numbers.
// It reaches the page as text nodes only; this is about what text alone can do: turn the reading direction of what
// stands beside it, hide letters, or be endless.

export const NAME_SHOWN = 128
export const SENTENCE_SHOWN = 500
export const TEXT_SHOWN = 4_000

// Controls but for tab and line feed; marks that turn or isolate direction; letters without width that hide others;
// tags and variation selectors beyond those of emoji. Zero-width joiners stay: scripts and emoji need them.
const HIDDEN =
  /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/gu
const PILED = /(\p{M}{4})\p{M}+/gu
const BLANK = /\s+/gu

/** Text with what cannot be seen shown as a mark, at most `most` letters of it. */
export function inert(text: string, most: number): { shown: string; left: number } {
  const letters = Array.from(text.slice(0, 2 * most)).slice(0, most)
  const clipped = letters.join('')
  const left = Math.max(0, text.length - clipped.length)
  return { shown: clipped.replace(HIDDEN, '\u{25AF}').replace(PILED, '$1'), left }
}

/** A name: one line. */
export function inertName(text: string): string {
  const { shown, left } = inert(text.replace(BLANK, ' ').trim(), NAME_SHOWN)
  return left ? `${shown}…` : shown
}

/** A sentence of the node's, which may quote what others call themselves. */
export function sentence(text: string): string {
  const { shown, left } = inert(text.replace(BLANK, ' ').trim(), SENTENCE_SHOWN)
  return left ? `${shown}…` : shown
}

export function short(id: string): string {
  return id.startsWith('did:key:') ? `${id.slice(8, 20)}…` : id.slice(0, 12)
}

const minute = 60
const hour = 60 * minute
const day = 24 * hour

/** An instant in µs, said relative to now where that is near. */
export function ago(us: number | null, now: number): string {
  if (!us) return 'never'
  const seconds = Math.round(now / 1000 - us / 1e6)
  if (seconds < -30) return `in ${span(-seconds)}`
  if (seconds < 10) return 'just now'
  if (seconds < 7 * day) return `${span(seconds)} ago`
  return when(us)
}

export function span(seconds: number): string {
  if (seconds < 2 * minute) return `${seconds} s`
  if (seconds < 2 * hour) return `${Math.round(seconds / minute)} min`
  if (seconds < 2 * day) return `${Math.round(seconds / hour)} h`
  return `${Math.round(seconds / day)} days`
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })
const date = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })

/** JavaScript's own end of time is nearer than what 64 bits hold: a foreign clock may say anything. */
function dated(us: number): Date {
  return new Date(Math.min(8.64e15, Math.max(-8.64e15, us / 1000)))
}

export function when(us: number): string {
  return full.format(dated(us))
}

export function time(us: number): string {
  return clock.format(dated(us))
}

export function dayOf(us: number): string {
  return date.format(dated(us))
}

export function count(number: number): string {
  return new Intl.NumberFormat().format(number)
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}
