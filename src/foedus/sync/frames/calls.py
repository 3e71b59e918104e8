"""Frames of calls of capabilities."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from foedus.log.event import Id, Signature
from foedus.sync.frames.fields import Seq

CALL_BYTES_MAX = 69_632
"""Bytes of a call (docs/capabilities.md)."""
CALL_OUTPUT_MAX = 65_536
"""Bytes of what a call returns."""
CALL_LASTS_MAX = 3_600_000_000
"""Microseconds that a call may still have."""
CALL_PROGRESS_MAX = 4_096
"""Bytes of one word of progress: it says how far the work is, and brings nothing."""
RECEIPT_BYTES_MAX = 1_024


class Call(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call"):
    """A call of a capability of the receiver, as it was signed; sent again, it asks for the outcome.

    ``left``: µs that the receiver has.
    """

    call: Annotated[bytes, Meta(min_length=1, max_length=CALL_BYTES_MAX)]
    asig: Signature | None
    sig: Signature
    left: Annotated[int, Meta(ge=1, le=CALL_LASTS_MAX)]


class CallProgress(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_progress"):
    """How far the work is: JSON. Numbers grow by one; what is lost is not sent again."""

    call: Id
    number: Seq
    data: Annotated[bytes, Meta(max_length=CALL_PROGRESS_MAX)]


class CallEnded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_ended"):
    """How a call ended: the receipt, its node's signature, and the output."""

    call: Id
    receipt: Annotated[bytes, Meta(max_length=RECEIPT_BYTES_MAX)]
    sig: Signature
    output: Annotated[bytes, Meta(max_length=CALL_OUTPUT_MAX)] | None


class CallRefused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_refused"):
    """The call was not taken up."""

    call: Id
    code: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=1_024)]


class CallSigned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_signed"):
    """The calling node's signature of a receipt."""

    call: Id
    sig: Signature


class CallCancel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="call_cancel"):
    """The caller wants a call to end."""

    call: Id


CallFrame: TypeAlias = Call | CallProgress | CallEnded | CallRefused | CallSigned | CallCancel
