"""A capability that an agent offers: what it is called, what it takes and returns, and for whom."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode_as, encode, learn, to_plain
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.query.limits import SCHEMA_BYTES_MAX
from foedus.query.schemas import Shape

OfferName = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_.-]{0,63}\Z")]
Words = Annotated[str, Meta(max_length=1_024)]
Short = Annotated[str, Meta(max_length=128)]
SchemaBytes = Annotated[bytes, Meta(max_length=SCHEMA_BYTES_MAX)]
STANDING_LAST = 4
"""Normal: anyone whom the border lets through."""


class BadOffer(UsageError):
    """The capability is not such as a node takes."""

    code = "bad_capability"
    remedy = "see docs/capabilities.md"


class Offer(Struct, frozen=True, forbid_unknown_fields=True):
    """``agent``: the DID of who does the work. ``takes``, ``returns``: JSON Schemas, b'' for anything.

    ``model``, ``provider``: where it is one. ``price``: a note for people. ``standing``: the last (1 to 4) that may
    call.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    name: OfferName
    agent: Annotated[str, Meta(min_length=1, max_length=128)]
    about: Words
    takes: SchemaBytes
    returns: SchemaBytes
    model: Short
    provider: Short
    price: Short
    standing: Annotated[int, Meta(ge=1, le=STANDING_LAST)]


def encode_offer(offer: Offer) -> bytes:
    """Return the canonical bytes; raise BadOffer or BadSchema."""
    data = encode(to_plain(offer))
    try:
        decode_as(data, Offer)
    except Malformed as error:
        raise BadOffer(f"the capability: {error}") from None
    Shape(offer.takes)
    Shape(offer.returns)
    return data


def parse_offer(data: bytes) -> Offer:
    """Return the offer in ``data``; raise Malformed."""
    return decode_as(data, Offer)


def offer_id(data: bytes) -> bytes:
    """Return SHA-256 of an offer's bytes: it changes with every word of it."""
    return sha256(data)


learn(Offer)
