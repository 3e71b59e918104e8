"""The evidence file of one crossing: its parts, and its bytes (docs/protocol.md, "Evidence file")."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, check_items, decode_as, encode, learn, to_plain

EVENTS_MAX = 4_000
"""Events that an act stands on: the streams of its author, of its room's members, and of who issued its grants."""
RECORDS_MAX = 160
"""Identity records: four nodes with all that each may have."""
RECEIPTS_MAX = 64
"""Receipts: those of the members of a large room."""
FILE_MAX = 64 * 1_048_576
"""Bytes of a file, which is read whole: far above what the counts allow in practice."""

ITEMS_MAX = 16 + EVENTS_MAX + 2 * RECEIPTS_MAX + RECORDS_MAX
"""Values in a file: the names of its parts, the parts, and what they hold."""

Parts = tuple[bytes, ...]


class ProofFile(Struct, frozen=True, forbid_unknown_fields=True):
    """``event``: the envelope of the crossing event. The other lists hold envelopes, and signed identity records.

    ``stands_on``: chains of ``participant:`` and ``members:`` streams, in the order of their clocks; of what is in no
    way about the act some may be left out, but never the first of a chain.
    ``agreements``: ``agreement.sign`` events of the versions that the receipts name.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    event: bytes
    stands_on: Annotated[Parts, Meta(max_length=EVENTS_MAX)]
    agreements: Annotated[Parts, Meta(max_length=RECEIPTS_MAX)]
    receipts: Annotated[Parts, Meta(min_length=1, max_length=RECEIPTS_MAX)]
    records: Annotated[Parts, Meta(min_length=1, max_length=RECORDS_MAX)]


def encode_proof(proof: ProofFile) -> bytes:
    """Return the canonical bytes of a file."""
    return encode(to_plain(proof))


def decode_proof(data: bytes) -> ProofFile:
    """Return the parts of a file; raise NotCanonical or Malformed. ``verify`` says what they prove."""
    if len(data) > FILE_MAX:
        raise Malformed(f"an evidence file has at most {FILE_MAX} bytes")
    check_items(data, ITEMS_MAX)
    return decode_as(data, ProofFile)


learn(ProofFile)
