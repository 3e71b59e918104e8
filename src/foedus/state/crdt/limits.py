"""Bounds of CRDTs, each with its reason. Those of deltas cross the network: changing one is a protocol change."""

from __future__ import annotations

OPERATIONS_BITS = 10
OPERATIONS_MAX = 1 << OPERATIONS_BITS
"""Operations in one delta: bounds the work of one event, and leaves 53 bits of a dot for the event's seq."""
KEY_MAX = 256
"""Characters of a key or a domain: a path, not a text."""
AMOUNT_MAX = 1 << 40
"""What one delta adds to a counter: a million in millionths; eight million such deltas fit TOTAL_MAX."""
TOTAL_MAX = (1 << 63) - 1
"""What a chain adds to a counter in all; it stays there. Canonical integers have 64 bits."""
MILLION = 1_000_000
IMPROVEMENT_MAX = 1_000 * MILLION
"""Millionths of an improvement either way: a thousandfold; more is a mistake of who measured."""
CYCLE_MAX = (1 << 53) - 1
"""Cycles of a learner: what every JSON reader counts exactly."""
ENTRIES_MAX = 1 << 20
"""Entries of a state that is read or kept in memory: some 300 MB as Python values."""
REPLICAS_MAX = 4_096
"""Epochs that one state names: RECORDS_PER_NODE (40) of a hundred nodes."""
ITEMS_MAX = 10 * ENTRIES_MAX
"""Items of an encoded state, before it is decoded: an entry has at most nine with its lists (a transfer). As many empty
lists as STATE_BYTES_MAX bytes could hold would be 16 GiB."""
STATE_BYTES_MAX = 256 * 1_048_576
"""Bytes of an encoded state: ENTRIES_MAX entries of 200 bytes and their keys."""
