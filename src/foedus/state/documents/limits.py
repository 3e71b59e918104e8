"""Bounds of documents."""

from __future__ import annotations

from foedus.log.documents import PART_BYTES, PARTS_MAX

DOCUMENT_BYTES_MAX = 16 * 1_048_576
"""Bytes of a document's state: a book of several thousand pages. Beyond it nothing more is taken in from clients."""
WAITING_BYTES_MAX = 2 * DOCUMENT_BYTES_MAX
"""Bytes of updates of one document that wait for what they stand on: beyond, who has most of them loses some,
and all is taken anew once what those stand on came."""
WAITING_EACH = 512
"""What an update that waits counts for beside its bytes: what is known of it takes so much memory."""
LET_GO_MAX = 65_536
"""Clients of which it is remembered what updates need that were let go: 10 MB."""
UPDATE_BYTES_MAX = DOCUMENT_BYTES_MAX
"""Bytes of one update: a client that has a whole document can bring it."""
IN_ACTS_MAX = PART_BYTES * PARTS_MAX
"""Bytes of an update that stands in the log itself, in several acts; a larger one is a blob."""
STRUCTS_MAX = 500_000
"""Structs of one update: some 2 s to check. What people type in a year joins to fewer."""
NUMBER_MAX = (1 << 53) - 1
"""The greatest number of JavaScript that counts exactly."""
CLOCK_MAX = (1 << 31) - 1
"""The greatest clock of a Yjs client: yrs keeps clocks in 32 bits."""
NESTING_MAX = 64
"""Depth of a value: the reader calls itself for each level."""
PRESENCES_MAX = 1_024
"""Presences shown in one document."""
PRESENCES_EACH_MAX = 16
"""Presences that one connection brings: its own, and those of a program that connects for several people."""
PRESENCE_CROSSING_MAX = 4_096
"""Characters of one that is told to other nodes: they keep it for people whom they do not know."""
PRESENCE_BYTES_MAX = 16_384
"""Bytes of one presence: a name, a colour and a selection take some 300."""
