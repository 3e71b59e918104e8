/** Border commands that a grant can be for, in words (docs/terms.md). */
export const COMMANDS: Record<string, string> = {
  '/foedus/room/speak': 'speak in rooms of other nodes',
  '/foedus/knowledge/publish': 'publish knowledge to other nodes',
  '/foedus/query/ask': 'ask other nodes',
  '/foedus/agent/call': 'call agents of other nodes',
  '/foedus/council/propose': 'propose to councils',
}
