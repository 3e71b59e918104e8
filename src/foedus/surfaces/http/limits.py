"""Bounds of this server, each with its reason. None crosses the network: those are in ``base.limits``."""

from __future__ import annotations

from foedus.base.limits import FRAME_MAX, LINKS_MAX

CONNECTIONS_MAX = LINKS_MAX + 1_024
"""Open connections: every link, and as many again for people, agents and strangers."""
CONNECTIONS_PER_NET_MAX = 256
"""Of them, from one /24 or /56 (loopback exempt): one stranger does not shut out the others."""
BACKLOG = 1_024
"""Connections that wait in the kernel to be accepted: a crowd does not make others' first packets be dropped."""
ACCEPTS_PAUSE_S = 0.002
"""After each connection that is accepted, none for so long: 500 a second, at 0.1 to 0.3 ms each for one that is turned
away. Two in one go, half as often, held everything else up for twice as long. Whoever comes alone does not notice."""
ACCEPTS_WITHOUT_PLACE_S = 1.0
"""Until accepting is tried again where the system has no more file descriptors."""
NO_ROOM_RETRY_S = 2
"""What a stranger is told to wait where a crowd is there: signings come back each second, places within ten."""
HEAD_BYTES_MAX = 32_768
"""Bytes of a request's head: an RFC 9421 signature has under 1 KB, a proxy's cookies some more."""
HEAD_TIMEOUT_S = 10.0
"""To send a whole head: slower is a stalled network or a slow-loris attack."""
PROGRESS_BYTES = 65_536
PROGRESS_S = 10.0
"""Who sends a body, or takes an answer, moves so much in each such time (52 kbit/s) or is done by then: less is a
stalled network or an attack that holds our buffers."""
IDLE_TIMEOUT_S = 30
"""A kept-alive connection without a request: longer than a poll interval, so pollers need no new handshake."""
STREAMS_MAX = 256
"""Open event streams: each holds up to SSE_QUEUE_MAX events."""
STREAMS_PER_PARTICIPANT = 16
"""Of them, by the tokens of one participant: some devices with some pages each; a loop that opens more ends here."""
SSE_HEARTBEAT_S = 15.0
"""Comment on a silent stream: proxies cut a connection that is silent for 30 to 60 s."""
SSE_STALL_S = 10.0
"""A full queue that does not drain for this long: the reader is told to resume from its cursor."""
SSE_CHUNK_BYTES = 65_536
"""Bytes sent at once on a stream: what the transport takes before it applies back-pressure."""
STOP_TIMEOUT_S = 3.0
"""For requests in flight to finish when the server stops."""
WEBSOCKET_MESSAGE_MAX = FRAME_MAX + 1_024
"""Bytes of a WebSocket message: a sealed frame, its tag and its counter."""
TARGET_MAX = 256
"""Characters of a path parameter: the longest is a did:key or an id with a scheme."""
CURSOR_MAX = 512
"""Characters of a cursor: store id and admission number, encoded."""
URL_MAX = 2_048
"""Characters of a URL: what other software stops at."""
SEARCH_TEXT_MAX = 2_048
"""Characters that a URL asks for: each takes up to twelve bytes there, and all of the head must fit HEAD_BYTES_MAX."""
WORDS_MAX = 512
"""Characters of 24 recovery words: at most 8 each, and spaces."""
NEARBY_MS_MAX = 10_000
"""Milliseconds for which the network is listened to at one look: multicast DNS asks again after 1, 3 and 7 s."""
REASON_MAX = 256
"""Characters of a reason for disconnecting: it is shown in one line."""
