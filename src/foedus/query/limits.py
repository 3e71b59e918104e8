"""The bounds of questions and answers (docs/query.md). Those that cross the network are part of the protocol."""

from __future__ import annotations

from foedus.base.limits import MINUTE, SECOND

HOPS_MAX = 8
"""Links that a question passes: in a federation of peers six reach everyone, and each more multiplies its cost."""
LASTS_MAX = MINUTE
"""How long a question may live: somebody waits for it. Also for as long its id is remembered."""
SKEW_MAX = MINUTE
"""What the clocks of two nodes may differ by, as for events (CLOCK_AHEAD_MAX)."""
RESULTS_MAX = 200
"""Results of one node: more than a person or a model reads."""
ABOUT_BYTES_MAX = 21_504
"""What a question is about: a text, an id, or a text and a vector of 4,096 numbers."""
QUERY_BYTES_MAX = 24_576
"""A question: what it is about, and 3 KB for the rest."""
TEXT_MAX = 1_024
"""Characters of a text that is looked for."""
BODY_BYTES_MAX = 16_384
"""The body of a result: an excerpt where the thing is longer."""
RESULT_BYTES_MAX = BODY_BYTES_MAX + 1_024
"""A result: its body, and what makes it traceable."""
EVIDENCE_MAX = 16
EVIDENCE_BYTES_MAX = 65_536
"""Events that go with a question to nodes that do not hold its asker's stream: enrolments and a chain of grants."""

FANOUT_MAX = 64
"""Peers that one node asks: beyond, it asks those with the smallest ids, and says so."""
IN_FLIGHT_MAX = 1_024
"""Questions under way at one node."""
IN_FLIGHT_PER_PEER = 64
"""Of these, brought by one peer."""
SEEN_MAX = 65_536
"""Ids that are remembered until their deadline: 6 MB. Beyond, new questions are refused: none is answered twice."""
SEEN_PER_NODE_MAX = 8_192
"""Of these, asked by one node: ten minutes of its rate would not fit, two minutes of it do."""
RELAYED_MAX = 2_000
"""Results of one question that one peer may bring: its own and those of ten nodes behind it, in full."""
RELAYED_BYTES_MAX = 4 * 1_048_576
"""Bytes of results of one question that all peers together may bring to one node."""
RELAYED_BYTES_MIN = 65_536
"""What each of them may bring at least."""
REPORTS_MAX = 1_000
"""Nodes that are named in the report of one question; the rest are counted."""
UNNAMED_MAX = 1 << 32
"""Nodes that are counted and not named: peers say how many there are behind them, and a frame carries the sum."""

WAY_BACK_SHARE = 8
WAY_BACK_MIN = SECOND // 100
WAY_BACK_MAX = SECOND // 4
"""Of the time that is left a node keeps an eighth (10 to 250 ms) for the way back, so that its report is in time."""

JSON_BYTES_MAX = 64 * 1024
"""What a call brings, and what it returns: larger things are blobs, or knowledge."""
JSON_DEPTH_MAX = 32
"""Levels of it, and of a schema: more than people or generators write, and far from what recursion bears."""
SCHEMA_BYTES_MAX = 4 * 1024
"""Of one schema: both of an offer, and its words, fit the body of a result (BODY_BYTES_MAX)."""
SCHEMA_PARTS_MAX = 2_048
"""Parts of a schema when its references are followed: what checking a value may cost."""
SCHEMA_WORK_MAX = 4_000_000
"""Parts of a schema times values of what is checked: 0.3 s of the node at the worst that was found."""
SCHEMA_PATTERN_WORK_MAX = 1_048_576
"""Patterns of a schema times bytes of what is checked: a second, were each pattern the slowest there is."""
OFFERS_MAX = 256
"""Capabilities of one node."""
CALL_LASTS_MAX = 60 * MINUTE
"""A call may work longer than a question; nobody waits for an agent over lunch."""
CALL_BYTES_MAX = JSON_BYTES_MAX + 4 * 1024
"""A call: its input, its ids and the events it stands on."""
PROGRESS_MAX = 1_000
"""Words of progress of one call: a person sees no more, and a link carries other things, too."""
CALLS_UNDER_WAY_MAX = 1_024
CALLS_PER_PEER_MAX = 64
"""Calls under way at one node, and of one peer, as for questions."""
CALLS_KEPT = 24 * 60 * MINUTE
"""How long an outcome is kept after the deadline: a peer that was down for the night asks again and gets it."""
CALLS_KEPT_MAX = 4_096
"""Calls that are kept, at either end; beyond, the oldest that are over are forgotten before their time."""
CALLS_REFUSED_KEPT = 4_096
"""Refusals that are remembered until a restart, at most 6 MB: long enough to be told again by the next link."""
CALL_RECORD_REST = 1_024
"""What is kept of a call beside what it brings and returns: signatures, states, and the memory of all that."""
CALLS_BYTES_PER_PARTICIPANT = 16 * 1_048_576
"""Of them, of one participant at each end: 120 of the largest, or 248 small ones that are under way."""
CALLS_BYTES_MAX = 128 * 1_048_576
"""Of them, of all at each end: what is under way (CALLS_UNDER_WAY_MAX) fits unless all are of the largest."""
CALLS_FORGOTTEN_MAX = 65_536
"""Ids of calls that were forgotten and could come again, 16 MB: 700 calls a second, each with half a minute to live."""
