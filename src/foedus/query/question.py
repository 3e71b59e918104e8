"""A question: what is signed, and what its canonical bytes must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.ids import ID_BYTES, sha256
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.crypto.labels import signed_bytes
from foedus.log.bodies import Did
from foedus.log.sketches import MODEL_MAX
from foedus.query.limits import ABOUT_BYTES_MAX, HOPS_MAX, LASTS_MAX, QUERY_BYTES_MAX, RESULTS_MAX, SKEW_MAX, TEXT_MAX
from foedus.query.routing.limits import DIMENSION_MAX
from foedus.query.routing.vectors import BadVector, parse_unit

Id: TypeAlias = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Microseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
Scope: TypeAlias = Literal["local", "direct", "global"]
Kind: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_.-]{0,63}\Z")]


class BadQuestion(Malformed):
    """The question is not such as the protocol has it."""

    code = "malformed_query"
    remedy = "compare it with docs/protocol.md, section 13"


class Stale(PeerViolation):
    """The question came after its deadline, or is from the future."""

    code = "late"
    http_status = 408
    remedy = "ask again with a later deadline; compare the clocks of the two nodes"


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks what, how far, and until when. ``asker``: participant DID, or the node id where the node asks itself.

    ``device``: the 32-byte key that signs, None where the node asks. ``about``: a map, by ``kind``. ``hops``: links
    that it may pass (0 local, 1 direct). ``results``: how many one node may send. ``auth``: ids of the events that it
    stands on: the enrolment of the device, and the grants of an agent, root first.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    node: Id
    epoch: Id
    asker: Any
    device: Id | None
    kind: Kind
    about: dict[str, Any]
    scope: Scope
    hops: Annotated[int, Meta(ge=0, le=HOPS_MAX)]
    results: Annotated[int, Meta(ge=1, le=RESULTS_MAX)]
    at: Microseconds
    deadline: Microseconds
    auth: Annotated[tuple[Id, ...], Meta(max_length=AUTH_MAX)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]


class TextAbout(Struct, frozen=True, forbid_unknown_fields=True):
    """``text``: words to look for."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]


class SemanticAbout(Struct, frozen=True, forbid_unknown_fields=True):
    """``semantic``: what means the same. ``vector``: ``dimension`` little-endian float32 numbers, of length 1.

    ``model``: the name of the embedding that made it. ``text``: what to look for where that is not known, '' nothing.
    """

    text: Annotated[str, Meta(max_length=TEXT_MAX)]
    model: Annotated[str, Meta(min_length=1, max_length=MODEL_MAX)]
    dimension: Annotated[int, Meta(ge=1, le=DIMENSION_MAX)]
    vector: bytes


class CausalAbout(Struct, frozen=True, forbid_unknown_fields=True):
    """``causal``: what led to an event, and what followed."""

    event: Id


class TopologyAbout(Struct, frozen=True, forbid_unknown_fields=True):
    """``topology``: who is connected with whom."""


class CapabilityAbout(Struct, frozen=True, forbid_unknown_fields=True):
    """``capability``: words of its name and description, '' for all."""

    text: Annotated[str, Meta(max_length=TEXT_MAX)]


About: TypeAlias = TextAbout | SemanticAbout | CausalAbout | TopologyAbout | CapabilityAbout
ABOUT: dict[str, type[About]] = {
    "text": TextAbout,
    "semantic": SemanticAbout,
    "causal": CausalAbout,
    "topology": TopologyAbout,
    "capability": CapabilityAbout,
}
"""Kinds of version 1. Another is forwarded like these, and answered by ``refused`` where a node does not know it."""

HOPS: dict[Scope, int] = {"local": 0, "direct": 1, "global": 5}
"""Where none are named: five reach everyone whom a person would call near."""
_HOPS = {"local": range(1), "direct": range(1, 2), "global": range(1, HOPS_MAX + 1)}


def encode_question(question: Question) -> bytes:
    """Return the canonical bytes; raise BadQuestion for what ``parse_question`` would refuse."""
    data = encode(to_plain(question))
    parse_question(data)
    return data


def parse_question(data: bytes) -> Question:
    """Return the question in ``data``, checked but for its signatures and its time.

    Raises NotCanonical, BadVector for one that is poisoned, or BadQuestion for all else.

    What it is about is checked where its kind is known (``ABOUT``).
    """
    if len(data) > QUERY_BYTES_MAX:
        raise BadQuestion(f"a question has at most {QUERY_BYTES_MAX} bytes")
    try:
        question = decode_as(data, Question)
        _check(question)
    except BadVector:
        raise
    except Malformed as error:
        raise BadQuestion(str(error)) from None
    return question


def _check(question: Question) -> None:
    by_node = question.device is None
    author = question.node if by_node else question.asker
    if question.asker != author or not (by_node or isinstance(question.asker, str)):
        raise Malformed("the asker is a participant with a device, or the node")
    if not by_node:
        _check_did(question.asker)
    if question.hops not in _HOPS[question.scope]:
        raise Malformed(f"a question of scope {question.scope} has other hops than {question.hops}")
    if not 0 < question.deadline - question.at <= LASTS_MAX:
        raise Malformed(f"a question lives for at most {LASTS_MAX} microseconds")
    if len(encode(question.about)) > ABOUT_BYTES_MAX:
        raise Malformed(f"what a question is about has at most {ABOUT_BYTES_MAX} bytes")
    shape = ABOUT.get(question.kind)
    if shape is not None:
        read = decode_as(encode(question.about), shape)
        if isinstance(read, SemanticAbout):
            parse_unit(read.vector, read.dimension)


class _OneDid(Struct, frozen=True):
    did: Did


def _check_did(did: str) -> None:
    decode_as(encode({"did": did}), _OneDid)


def check_time(question: Question, now: Instant) -> None:
    """Raise Stale where a question is too late, or from a clock that is too far ahead."""
    if now > question.deadline + SKEW_MAX:
        raise Stale("the question came after its deadline")
    if question.at > now + SKEW_MAX:
        raise Stale("the question is from the future")


def about(question: Question) -> About:
    """Return what a question of a known kind is about."""
    return decode_as(encode(question.about), ABOUT[question.kind])


def id_of(data: bytes) -> bytes:
    """Return the id of a question: SHA-256 of its canonical bytes."""
    return sha256(data)


def signing_bytes(data: bytes) -> bytes:
    """Return what the asker's device and the asking node sign: the same bytes, each with its key."""
    return signed_bytes("query", data)


learn(Question, TextAbout, SemanticAbout, CausalAbout, TopologyAbout, CapabilityAbout)
