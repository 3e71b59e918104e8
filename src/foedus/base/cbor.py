"""Canonical bytes: strict DAG-CBOR.

Everything that is signed or hashed is DAG-CBOR. A reader that accepts two byte strings for one
value lets two nodes disagree on an id, so decoding is strict: ``encode(decode(p)) == p``, no
floats, no links, bounded nesting. (libipld sorts and checks map keys, but accepts integers and
lengths in more bytes than they need; comparing the re-encoded bytes closes that. It also takes byte
strings that look like a CID for links; see ``_LINK``.)
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, TypeVar

import libipld
import msgspec

from foedus.base.errors import PeerViolation
from foedus.base.limits import NESTING_MAX

T = TypeVar("T")

_decode = libipld.decode_dag_cbor
_encode = libipld.encode_dag_cbor
_NOTHING = object()
_NOT_SHORTEST = "the bytes are not in their shortest form"
_LENGTH_BYTES = 4
_LINK = rb"\xd8\x2a(?:[\x40-\x57]|\x58.|\x59..|\x5a.{4}|\x5b.{8})\x00[\x01\x12]"
"""Tag 42, a byte string, the prefix of a CID and its first byte: libipld writes byte strings that look like a CID so,
one in 2,700 random ids. Where this turns up ``_encode_plainly`` writes the value instead; by chance it hardly does."""
_find_link = re.compile(_LINK, re.DOTALL).search
"""Asked of all that is encoded and decoded."""
_MAJOR_UNSIGNED, _MAJOR_NEGATIVE, _MAJOR_BYTES, _MAJOR_TEXT, _MAJOR_LIST, _MAJOR_MAP = range(6)
_SIMPLE = {False: b"\xf4", True: b"\xf5", None: b"\xf6"}
_BUILTIN = (bytes,)
_HOLDING = frozenset({list, tuple, dict})


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


def is_linkless(data: bytes) -> bool:
    """Whether the two bytes that begin a link turn up nowhere in ``data``, and so in nothing that it holds."""
    return _find_link(data) is None


def encode(value: Any) -> bytes:
    """Return the canonical bytes of ``value`` (maps with string keys, lists, str, bytes, int, bool, None).

    Raises ValueError where the value has no canonical form (an integer over 64 bits, another type).
    """
    data: bytes = _encode(value)
    return data if _find_link(data) is None else _encode_plainly(value)


def strict(data: bytes) -> Any:
    """Return the value of ``data`` if it is the one encoding of it; raise NotCanonical otherwise, whatever the bytes.

    Floats and depth are left to the shape that follows (``convert``); ``decode`` excludes them itself.
    """
    try:
        value = _decode(data)
        again = encode(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from None
    if again != data:
        raise NotCanonical(_NOT_SHORTEST)
    return value


def strict_linkless(data: bytes) -> Any:
    """Return the same as ``strict`` for bytes that are linkless: those are not searched for links again."""
    try:
        value = _decode(data)
        again = _encode(value)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from None
    return value if again == data else strict(data)


def decode(data: bytes) -> Any:
    """Return the value of canonical ``data``; raise NotCanonical otherwise, whatever the bytes."""
    value = strict(data)
    _check_plain(value, NESTING_MAX)
    return value


def decode_as(data: bytes, shape: type[T]) -> T:
    """Decode ``data`` into the msgspec Struct ``shape``.

    Types are compared strictly (text is not bytes, a float is not an integer). Raises NotCanonical
    or Malformed.
    """
    return convert(strict(data), shape)


def check_items(data: bytes, limit: int) -> None:
    """Raise Malformed where ``data`` holds more than ``limit`` items: an empty list is one byte here, and 64 decoded.

    For what is large by itself; elsewhere the bound on bytes is bound enough. Other faults are left to ``strict``.
    """
    if len(data) <= limit:
        return
    position, items, end = 0, 0, len(data)
    while position < end:
        items += 1
        if items > limit:
            raise Malformed(f"it holds more than {limit} values")
        major, short = data[position] >> 5, data[position] & 31
        size = 1 << short - 24 if 24 <= short <= 27 else 0  # noqa: PLR2004  # RFC 8949, section 3
        argument = int.from_bytes(data[position + 1 : position + 1 + size], "big") if size else short
        position += 1 + size + (argument if major in {_MAJOR_BYTES, _MAJOR_TEXT} else 0)


def convert(value: Any, shape: type[T]) -> T:
    """Give a decoded value the type ``shape``; raise Malformed where it does not fit."""
    try:
        return msgspec.convert(value, shape, builtin_types=_BUILTIN)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None


def learn(*shapes: Any) -> None:
    """Let msgspec build now what it knows of these types. Modules call it for what worker threads may decode.

    msgspec 0.22 builds that at a type's first use, and two threads that do so at once crash the interpreter; a module
    is imported by one thread.
    """
    for shape in shapes:
        with suppress(msgspec.ValidationError):
            msgspec.convert(_NOTHING, shape, builtin_types=_BUILTIN)


def to_plain(value: Any) -> Any:
    """Turn a Struct (nested, too) into the maps and lists that ``encode`` takes."""
    return _lists(msgspec.to_builtins(value, builtin_types=_BUILTIN))


def _lists(value: Any) -> Any:
    """Turn tuples into lists: libipld encodes no tuples. Of what msgspec gives only these three hold other values."""
    kind = type(value)
    if kind is list or kind is tuple:
        return [_lists(item) if type(item) in _HOLDING else item for item in value]
    if kind is dict:
        return {name: _lists(item) if type(item) in _HOLDING else item for name, item in value.items()}
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
            raise Malformed("an entry is longer than the batch that holds it")
        if len(parts) == limit:
            raise Malformed(f"a batch holds at most {limit} entries")
        parts.append(data[start:stop])
        position = stop
    return parts


def _check_plain(value: Any, depth: int) -> None:
    """Raise NotCanonical on a float anywhere or on nesting deeper than ``depth``."""
    kind = type(value)
    if kind is float:
        raise NotCanonical("floats have no place in signed bytes")
    if kind is not dict and kind is not list:
        return
    if depth == 0:
        raise NotCanonical(f"nested deeper than {NESTING_MAX}")
    for item in value.values() if kind is dict else value:
        _check_plain(item, depth - 1)


def _encode_plainly(value: Any) -> bytes:
    """Encode what libipld accepted, byte strings always as byte strings (RFC 8949, section 4.2; no links)."""
    if value is None or isinstance(value, bool):
        return _SIMPLE[value]
    if isinstance(value, int):
        return _head(_MAJOR_UNSIGNED, value) if value >= 0 else _head(_MAJOR_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(_MAJOR_BYTES, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(_MAJOR_TEXT, len(text)) + text
    if isinstance(value, list):
        return _head(_MAJOR_LIST, len(value)) + b"".join(_encode_plainly(item) for item in value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        parts = (_encode_plainly(key) + _encode_plainly(value[key]) for key in keys)
        return _head(_MAJOR_MAP, len(value)) + b"".join(parts)
    raise ValueError(f"{type(value).__name__} has no place in canonical bytes")


def _head(major: int, argument: int) -> bytes:
    """Return the initial bytes of an item: major type and argument in the fewest bytes."""
    if argument < 24:  # noqa: PLR2004  # RFC 8949, section 3: the argument fits the initial byte
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise ValueError("an integer has at most 64 bits")
