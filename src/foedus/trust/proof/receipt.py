"""Receipts: the receiving node signs, with both keys (label ``receipt``), which border acts it accepted."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.crypto.labels import signed_bytes
from foedus.identity.keys import SigningKeys, both_hold, sign_both
from foedus.log.bodies import RECEIPT_IDS_MAX, CrossingReceipt
from foedus.log.event import Id, Microseconds


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """``node`` accepted the events ``ids`` of ``peer`` under ``agreement`` (null: under none).

    The rows of its audit log that say so are among the first ``rows``, of which the last has the hash ``head``.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    node: Id
    epoch: Id
    peer: Id
    verdict: Literal["accepted"]
    agreement: Id | None
    ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=RECEIPT_IDS_MAX)]
    rows: Annotated[int, Meta(ge=0, lt=1 << 53)]
    head: Id | None
    at: Microseconds


def make_receipt(receipt: Receipt, keys: SigningKeys) -> dict[str, bytes]:
    """Return the body of a ``crossing.receipt``, signed by the keys of the receipt's epoch (some 1 ms)."""
    statement = encode(to_plain(receipt))
    ed25519, mldsa65 = sign_both(keys, signed_bytes("receipt", statement))
    return {"statement": statement, "ed25519": ed25519, "mldsa65": mldsa65}


def read_receipt(body: bytes) -> tuple[CrossingReceipt, Receipt]:
    """Return a receipt and what it says; raise NotCanonical or Malformed. ``is_signed`` tells whether it is true."""
    signed = decode_as(body, CrossingReceipt)
    return signed, decode_as(signed.statement, Receipt)


def is_signed(signed: CrossingReceipt, publics: tuple[bytes, bytes]) -> bool:
    """Whether both signatures hold under the keys (Ed25519, ML-DSA-65) of the receipt's epoch."""
    return both_hold(publics, signed_bytes("receipt", signed.statement), (signed.ed25519, signed.mldsa65))


learn(Receipt)
