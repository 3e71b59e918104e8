"""Canonical bytes: strict DAG-CBOR.

Everything that is signed or hashed is DAG-CBOR. A reader that accepts two byte strings for one
value lets two nodes disagree on an id, so decoding is strict: ``encode(decode(p)) == p``, no
floats, no links, bounded nesting. (libipld sorts and checks map keys, but accepts integers and
lengths in more bytes than they need; comparing the re-encoded bytes closes that.)
"""

from __future__ import annotations

from typing import Any, TypeVar

import libipld
import msgspec

from foedus.base.errors import PeerViolation
from foedus.base.limits import NESTING_MAX

T = TypeVar("T")

_LENGTH_BYTES = 4
_BUILTIN = (bytes,)


class NotCanonical(PeerViolation):
    """The bytes are not the one canonical DAG-CBOR encoding of a value that foedus uses."""

    code = "non_canonical"
    http_status = 400
    remedy = "encode as strict DAG-CBOR: sorted keys, shortest integers, no floats, no links"


class Malformed(PeerViolation):
    """The value is canonical but does not have the shape that its place demands."""

    code = "malformed_event"
    http_status = 400
    remedy = "compare the fields and their types with docs/protocol.md"


def encode(value: Any) -> bytes:
    """Return the canonical bytes of ``value`` (maps with string keys, lists, str, bytes, int, bool, None).

    Raises ValueError where the value has no canonical form (a float, an integer over 64 bits).
    """
    return libipld.encode_dag_cbor(value)


def decode(data: bytes) -> Any:
    """Return the value of canonical ``data``; raise NotCanonical otherwise, whatever the bytes."""
    try:
        value = libipld.decode_dag_cbor(data)
        again = libipld.encode_dag_cbor(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from None
    if again != data:
        message = "the bytes are not in their shortest form"
        raise NotCanonical(message)
    _check_plain(value, NESTING_MAX)
    return value


def decode_as(data: bytes, shape: type[T]) -> T:
    """Decode ``data`` into the msgspec Struct ``shape``.

    Types are compared strictly (text is not bytes, a float is not an integer). Raises NotCanonical
    or Malformed.
    """
    try:
        value = libipld.decode_dag_cbor(data)
        again = libipld.encode_dag_cbor(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from None
    if again != data:
        message = "the bytes are not in their shortest form"
        raise NotCanonical(message)
    return convert(value, shape)


def convert(value: Any, shape: type[T]) -> T:
    """Give a decoded value the type ``shape``; raise Malformed where it does not fit."""
    try:
        return msgspec.convert(value, shape, builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None


def to_plain(value: Any) -> Any:
    """Turn a Struct (nested, too) into the maps and lists that ``encode`` takes."""
    return _lists(msgspec.to_builtins(value, builtin_types=_BUILTIN))


def _lists(value: Any) -> Any:
    """Turn tuples into lists: libipld encodes no tuples."""
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    if isinstance(value, dict):
        return {name: _lists(item) for name, item in value.items()}
    return value


def frame(part: bytes) -> bytes:
    """Prefix ``part`` with its length as u32 big-endian (batch entries, hashing of several parts)."""
    return len(part).to_bytes(_LENGTH_BYTES, "big") + part


def split_frames(data: bytes, limit: int) -> list[bytes]:
    """Split a batch into its entries; raise Malformed where a length lies or more than ``limit`` come."""
    parts: list[bytes] = []
    position, end = 0, len(data)
    while position < end:
        start = position + _LENGTH_BYTES
        stop = start + int.from_bytes(data[position:start], "big")
        if start > end or stop > end:
            message = "an entry is longer than the batch that holds it"
            raise Malformed(message)
        if len(parts) == limit:
            message = f"a batch holds at most {limit} entries"
            raise Malformed(message)
        parts.append(data[start:stop])
        position = stop
    return parts


def _check_plain(value: Any, depth: int) -> None:
    """Raise NotCanonical on a float anywhere or on nesting deeper than ``depth``."""
    kind = type(value)
    if kind is float:
        message = "floats have no place in signed bytes"
        raise NotCanonical(message)
    if kind is not dict and kind is not list:
        return
    if depth == 0:
        message = f"nested deeper than {NESTING_MAX}"
        raise NotCanonical(message)
    for item in value.values() if kind is dict else value:
        _check_plain(item, depth - 1)
