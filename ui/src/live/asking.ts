// A question to the federation: each result as it comes, then all of them merged.

import type { AnswersView, FoundView, Problem as ProblemBody } from '../api/types.ts'
import { NO_ANSWER, Problem, type Client } from '../core/client.ts'
import { messages } from './sse.ts'

export async function ask(
  client: Client,
  question: { question: string; asig: string },
  found: (result: FoundView) => void,
): Promise<AnswersView> {
  const response = await client.stream('POST', '/api/v1/queries', question)
  for await (const message of messages(response, new AbortController())) {
    if (message.event === 'result') found(JSON.parse(message.data) as FoundView)
    else if (message.event === 'answers') return JSON.parse(message.data) as AnswersView
    else if (message.event === 'problem') throw new Problem(400, JSON.parse(message.data) as ProblemBody)
  }
  throw new Problem(0, NO_ANSWER)
}
