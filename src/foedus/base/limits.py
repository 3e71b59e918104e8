"""Every bound of foedus, each with its reason. Changing one that crosses the network is a protocol change."""

from __future__ import annotations

SECOND = 1_000_000
"""Microseconds in a second: instants and durations of the cores are integers in microseconds."""
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# --- values -------------------------------------------------------------------------------------
NESTING_MAX = 32
"""Deepest map or list in signed bytes: no kind needs more than 6; unbounded nesting is a stack attack."""
NAME_MAX = 128
"""Characters of a name: fits a line; long names hide their end from the person who decides."""
NOTE_MAX = 1_000
"""Characters of the note in a connection request: one paragraph for a human."""
TEXT_MAX = 32_768
"""Characters of a message: more is a document, and no reader scrolls that far."""

# --- events -------------------------------------------------------------------------------------
EVENT_MAX = 65_536
"""Bytes of an event: one event never fills a frame, so control frames are never stuck behind it."""
BODY_MAX = 65_536
"""Bytes of a body: what is larger is a blob, named by its hash."""
ENVELOPE_MAX = EVENT_MAX + BODY_MAX + 512
"""Bytes of an envelope: event, body, signature, salt and CBOR headers."""
BATCH_EVENTS_MAX = 1_000
"""Events in one batch: bounds the work one request can cause before the next limit is checked."""
BATCH_BYTES_MAX = 4 * 1_048_576
"""Bytes in one batch: bounds the memory of one request."""
REFS_MAX = 64
"""Ids that an act cites as causes: bounds the look-ups that one event can cause."""
AUTH_MAX = 16
"""Ids that an act stands on: enrolment, membership, and a chain of grants of bounded length."""
APPROVAL_WAIT_MAX_S = 60
"""How long one request may wait for a human's decision; programs ask again."""
GRANT_BYTES_MAX = 8_192
"""Bytes of a UCAN in an event: a delegation with a policy over some sixty rooms and peers."""
STREAM_NAME_MAX = 160
"""Characters of a stream name: the longest form, pair:<64>:<64>, has 134."""
CUTS_MAX = 800
"""Cuts in one withdrawal: what fits a body of BODY_MAX bytes."""
ERASE_TARGETS_MAX = 64
"""Events that one erasure names: bounds the look-ups that it can cause, as REFS_MAX does."""
NONCE_BYTES = 16
SALT_BYTES = 32

# --- blobs --------------------------------------------------------------------------------------
CHUNK_BYTES = 65_536
"""Bytes of a chunk: as much as a body, so a chunk holds up a link no longer than an event does."""
BLOB_CHUNKS_MAX = 512
"""Chunks of a blob: their hashes take 17 KB of the body that names them."""
BLOB_BYTES_MAX = BLOB_CHUNKS_MAX * CHUNK_BYTES
"""Bytes of a blob, 32 MiB: it is put together in memory before it is read."""
CHUNKS_PER_FRAME = 16
"""Chunks that one frame asks for: 1 MiB."""
CHUNKS_IN_FLIGHT = 16
"""Chunks that are asked for on one link and have not come: half the credit of events."""

# --- clocks -------------------------------------------------------------------------------------
CLOCK_MERGE_MAX = 5 * SECOND
"""Foreign time is merged up to wall + this: a peer with a wrong clock cannot drag ours further."""
CLOCK_AHEAD_MAX = 60 * SECOND
"""An event further ahead of our wall clock is asked for again later; an own head as far ahead stops authoring."""
ACT_DRIFT_MAX = 10 * MINUTE
"""Between an author's clock and its node's: how long an act may wait for its node."""
HLC_COUNTER_MAX = 1 << 16
"""Events within one microsecond before the clock steps to the next."""

# --- chains and admission -----------------------------------------------------------------------
CHECKPOINT_EVENTS = 1_000
CHECKPOINT_INTERVAL = HOUR
"""A checkpoint costs 3.4 KB (ML-DSA-65): per 1,000 events or changed hour it is some bytes an event."""
WAITING_EVENTS_MAX = 1_000
WAITING_BYTES_MAX = 16 * 1_048_576
"""Events of branches that are being collected after a fork, in all: beyond, dropped and asked for again (ADR 9)."""
SEALED_FOR = 30 * DAY
"""How long the body of a rejected event is kept: a recovery that voids a withdrawal comes within days, if at all."""
PENDING_MAX = 10_000
"""Stored events that wait for an `auth`: each is indexed in memory by what it waits for."""
PROOFS_PER_CHAIN = 1
"""Equivocation proofs kept of a chain: one convicts; the rest are counted."""
EPOCHS_PER_DAY = 1
"""New epochs of a peer followed without asking a human."""
RECORDS_MAX = 64
"""Identity records in one frame: a whole history (RECORDS_PER_NODE) and its branches."""

# --- links --------------------------------------------------------------------------------------
FRAME_MAX = 512 * 1024
"""Bytes of a frame: a receiver holds one while it decrypts; 20 ms on a 200 Mbit/s link."""
FRAME_EVENTS_BYTES = 256 * 1024
"""Bytes of events that a sender puts in one frame: half of FRAME_MAX leaves room for any one envelope."""
FRAME_EVENTS = 256
"""Events in one frame: large enough to amortise fsync and thread hand-over, small enough for latency."""
CREDIT_BYTES = 2 * 1_048_576
"""Bytes of events in flight to a receiver before it must return credit: bounds its memory per link."""
CURSORS_PER_FRAME = 1_000
WANTS_PER_FRAME = 1_000
ACKS_PER_FRAME = 1_000
CONTROL_QUEUE_MAX = 1_024
"""Control frames waiting to be written on a link: beyond, the peer does not read and the link is closed."""
HANDSHAKE_BYTES_MAX = FRAME_MAX
"""A handshake message: it carries the identity history, 40 records of at most 12.2 KB (ADR 2)."""
HANDSHAKE_TIMEOUT = 10 * SECOND
HANDSHAKES_IN_FLIGHT_MAX = 64
HANDSHAKES_PER_NET_MAX = 5
"""Strangers' handshakes in flight, in all and per /24 or /56 (loopback exempt)."""
HANDSHAKE_SIGNINGS_PER_S = 50
"""ML-DSA signings for strangers: 0.9 ms each, so 5 % of a core."""
LINKS_MAX = 1_024
KEEPALIVE_INTERVAL = 15 * SECOND
KEEPALIVE_TIMEOUT = 45 * SECOND
"""Silence after which a link is closed: three keep-alives lost."""
REHANDSHAKE_INTERVAL = DAY
FRAMES_PER_KEY_MAX = 1 << 32
"""A fresh handshake comes before either: counter nonces never wrap, keys do not live long."""
BACKOFF_FIRST = SECOND // 2
BACKOFF_MAX = 300 * SECOND

COUNCIL_MESSAGE_MAX = FRAME_MAX - 4_096
"""Bytes of a message of a council: a batch or a part of a state with its votes, in one frame."""
PRESENCE_STATEMENT_MAX = 65_536
"""Bytes of what a node tells at one time of those who are in a document: a hundred cursors, or four of the largest."""

# --- peering ------------------------------------------------------------------------------------
PENDING_REQUESTS_MAX = 256
"""Connection requests that wait for a human: beyond, new strangers are refused."""
PEERS_MAX = 1_024

# --- HTTP ---------------------------------------------------------------------------------------
HTTP_BODY_MAX = BATCH_BYTES_MAX + 65_536
HTTP_SIGNATURE_AGE_MAX = 60 * SECOND
HTTP_NONCE_KEPT = 120 * SECOND
HTTP_PAGE_MAX = 1_000
SSE_QUEUE_MAX = 1_024
"""Events waiting for one local subscriber: beyond, it is told to resume from its cursor."""

# --- caches -------------------------------------------------------------------------------------
RECENT_BYTES_MAX = 16 * 1_048_576
"""Envelopes just admitted, kept so that live push does not read them back from disk."""
VERIFIED_KEYS_MAX = 4_096
