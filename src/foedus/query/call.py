"""A call of a capability, and its receipt: what is signed, and what its canonical bytes must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from foedus.base.cbor import Malformed, decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.crypto.labels import signed_bytes
from foedus.query.limits import CALL_BYTES_MAX, CALL_LASTS_MAX, JSON_BYTES_MAX, SKEW_MAX
from foedus.query.offer import OfferName
from foedus.query.question import Id, Microseconds

Outcome: TypeAlias = Literal["result", "error", "cancelled", "not_run", "outcome_unknown"]
"""``not_run``: the agent was never handed it. ``outcome_unknown``: it was, and nobody can say what came of it."""
FORGOTTEN = "forgotten"
"""Said of a call that was taken up, of which nothing more is kept: nobody can say what came of it."""


class BadCall(Malformed):
    """The call is not such as the protocol has it."""

    code = "malformed_call"
    remedy = "compare it with docs/protocol.md, section Calls"


class LateCall(PeerViolation):
    """The call came after its deadline, or is from the future."""

    code = "late"
    http_status = 408
    remedy = "call again with a later deadline; compare the clocks of the two nodes"


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """Who calls what, with what, and until when. ``caller``: participant DID, or the node id where the node calls.

    ``device``: the 32-byte key that signs, None where the node calls. ``host``: the node of the capability.
    ``offer``: the id of the offer that is meant. ``input``: JSON. ``auth``: the enrolment of the device, and the
    grants of an agent, root first.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    node: Id
    epoch: Id
    caller: Any
    device: Id | None
    host: Id
    name: OfferName
    offer: Id
    input: Annotated[bytes, Meta(max_length=JSON_BYTES_MAX)]
    at: Microseconds
    deadline: Microseconds
    auth: Annotated[tuple[Id, ...], Meta(max_length=AUTH_MAX)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]

    @property
    def did(self) -> str:
        """The participant who calls, '' where the node does."""
        return self.caller if isinstance(self.caller, str) else ""


class Called(Struct, frozen=True, forbid_unknown_fields=True):
    """What is called, without when, by which device and on which grants."""

    host: Id
    input: Annotated[bytes, Meta(max_length=JSON_BYTES_MAX)]
    name: OfferName
    offer: Id


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """How a call ended, as the callee's node signs it; the caller's node signs the same bytes.

    ``code``: of an error, or why it was not run. ``digest``: SHA-256 of the output, None without one. ``began``: when
    the agent was handed it (0: never), ``ended``: when it was over, both by the callee's clock.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    call: Id
    host: Id
    epoch: Id
    offer: Id
    agent: Annotated[str, Meta(max_length=128)]
    outcome: Outcome
    code: Annotated[str, Meta(pattern=r"\A[a-z0-9_.]{0,64}\Z")]
    digest: Id | None
    began: Microseconds
    ended: Microseconds


def encode_call(call: Call) -> bytes:
    """Return the canonical bytes; raise BadCall for what ``parse_call`` would refuse."""
    data = encode(to_plain(call))
    parse_call(data)
    return data


def parse_call(data: bytes) -> Call:
    """Return the call in ``data``, checked but for signatures, time and input; raise NotCanonical or BadCall."""
    if len(data) > CALL_BYTES_MAX:
        raise BadCall(f"a call has at most {CALL_BYTES_MAX} bytes")
    try:
        call = decode_as(data, Call)
    except Malformed as error:
        raise BadCall(str(error)) from None
    is_by_node = call.device is None
    if not (call.caller == call.node if is_by_node else isinstance(call.caller, str)):
        raise BadCall("the caller is a participant with a device, or the node")
    if not 0 < call.deadline - call.at <= CALL_LASTS_MAX:
        raise BadCall(f"a call lives for at most {CALL_LASTS_MAX} microseconds")
    return call


def check_time(call: Call, now: Instant) -> None:
    """Raise LateCall where a call is too late, or from a clock that is too far ahead."""
    if now > call.deadline + SKEW_MAX:
        raise LateCall("the call came after its deadline")
    if call.at > now + SKEW_MAX:
        raise LateCall("the call is from the future")


def call_id(data: bytes) -> bytes:
    """Return the id of a call: SHA-256 of its canonical bytes."""
    return sha256(data)


def call_bytes(data: bytes) -> bytes:
    """Return what the caller's device and the calling node sign."""
    return signed_bytes("call", data)


def called_of(call: Call) -> bytes:
    """Return the canonical bytes of what is called: what a human sees who is to allow it, whenever it is made then."""
    return encode(to_plain(Called(call.host, call.input, call.name, call.offer)))


def call_digest(call: Call) -> bytes:
    """Return what a grant for this one call names: SHA-256 of its nonce and of what is called."""
    return sha256(call.nonce, called_of(call))


def encode_receipt(receipt: Receipt) -> bytes:
    """Return the canonical bytes."""
    return encode(to_plain(receipt))


def parse_receipt(data: bytes) -> Receipt:
    """Return the receipt in ``data``, checked but for its signatures; raise NotCanonical or Malformed."""
    return decode_as(data, Receipt)


def receipt_bytes(data: bytes) -> bytes:
    """Return what the nodes of callee and caller sign."""
    return signed_bytes("call-receipt", data)


learn(Call, Called, Receipt)
