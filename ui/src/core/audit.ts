// The chain of the audit log, checked in the browser: each row's hash follows from what the row says and from the row
// before it (docs/terms.md, "Audit and reputation").

import type { AuditRowView } from '../api/types.ts'
import { hex, sha256, unhex } from './bytes.ts'
import { encode } from './cbor.ts'

export interface Checked {
  first: number
  last: number
  problems: string[]
}

/** Check rows that follow each other. Of the first, only its number is known of what came before, unless it is row 1. */
export async function checkRows(rows: AuditRowView[]): Promise<Checked> {
  const problems: string[] = []
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!
    const before = rows[at - 1]
    if (before && row.n !== before.n + 1) problems.push(`row ${row.n} follows row ${before.n}`)
    if (!before && row.n !== 1) continue
    if ((await hashOf(row, before?.hash ?? '')) !== row.hash) problems.push(`row ${row.n} has another hash`)
  }
  return { first: rows[0]?.n ?? 0, last: rows.at(-1)?.n ?? 0, problems }
}

async function hashOf(row: AuditRowView, prev: string): Promise<string> {
  const { n, at, until, actor, act, subject, rule, outcome, times, first, last, digest, aggregated } = row
  const said = { at, until, actor, act, subject, rule, outcome, times, first, last, aggregated }
  const bytes = encode({ v: 1, n, prev: prev ? unhex(prev) : null, digest: digest ? unhex(digest) : null, ...said })
  return hex(await sha256(bytes))
}
