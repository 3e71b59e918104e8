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
ABOUT_BYTES_MAX = 16_384
"""What a question is about: a text, an id, later a vector of 4,000 numbers."""
QUERY_BYTES_MAX = 20_480
"""A question: what it is about, and 1 KB for the rest."""
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

WAY_BACK_SHARE = 8
WAY_BACK_MIN = SECOND // 100
WAY_BACK_MAX = SECOND // 4
"""Of the time that is left a node keeps an eighth (10 to 250 ms) for the way back, so that its report is in time."""
