"""One result: what a node found, signed by it, so that everyone on the way and at the end can trace it."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode, decode_as, encode, learn, to_plain
from foedus.base.clock import Hlc
from foedus.crypto.labels import signed_bytes
from foedus.query.limits import BODY_BYTES_MAX, RESULT_BYTES_MAX, RESULTS_MAX
from foedus.query.question import Id, Kind

_PARSED_MAX = 128
"""Results that were read lately: each is looked at when it comes, when it is passed on and when it is checked."""
SCORE_MAX = 1_000_000_000
"""Millionths: a thousand is more than any measure of likeness needs."""


class BadResult(Malformed):
    """A result that is not such as the protocol has it, or not its node's."""

    code = "malformed_result"
    remedy = "compare it with docs/protocol.md, section 13"


class Result(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``node`` found for ``query``: the ``rank``-th of its list, the best first, beginning at 0.

    ``content``: the id of the thing itself (an event, say), the same at every node that holds it. ``score``:
    millionths, comparable within one node's list alone. ``hlc``: of the thing. ``body``: a canonical map, by ``kind``.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    query: Id
    node: Id
    epoch: Id
    rank: Annotated[int, Meta(ge=0, lt=RESULTS_MAX)]
    content: Id
    kind: Kind
    score: Annotated[int, Meta(ge=0, le=SCORE_MAX)]
    hlc: Hlc
    body: Annotated[bytes, Meta(max_length=BODY_BYTES_MAX)]


def encode_result(result: Result) -> bytes:
    """Return the canonical bytes."""
    return encode(to_plain(result))


@lru_cache(_PARSED_MAX)
def parse_result(data: bytes) -> Result:
    """Return the result in ``data``, checked but for its signature; raise NotCanonical or BadResult."""
    if len(data) > RESULT_BYTES_MAX:
        raise BadResult(f"a result has at most {RESULT_BYTES_MAX} bytes")
    try:
        result = decode_as(data, Result)
    except Malformed as error:
        raise BadResult(str(error)) from None
    if type(decode(result.body)) is not dict:
        raise BadResult("the body of a result is a map")
    return result


def signing_bytes(data: bytes) -> bytes:
    """Return what the source node signs."""
    return signed_bytes("result", data)


learn(Result)
