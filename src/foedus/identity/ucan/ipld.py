"""The bytes of UCANs: strict DAG-CBOR with links, and with floats when they are read.

``base.cbor`` leaves both out, and libipld cannot tell a link from a byte string that looks like a
CID. UCANs have links where foedus has ids, and the policies of others may hold floats. So this is an
own reader that takes exactly the canonical form (RFC 8949 section 4.2.1 and the DAG-CBOR
specification): ``encode(decode(p)) == p`` for all that it takes, floats aside.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from math import isfinite
from typing import Any

from msgspec import Struct

from foedus.base.cbor import NotCanonical
from foedus.base.ids import ID_BYTES, sha256
from foedus.base.limits import NESTING_MAX

LINK_BYTES_MAX = 128
"""Bytes of a CID: the longest hashes in use have 64."""

_MAJOR_UNSIGNED, _MAJOR_NEGATIVE, _MAJOR_BYTES, _MAJOR_TEXT, _MAJOR_LIST, _MAJOR_MAP, _MAJOR_TAG, _MAJOR_SIMPLE = range(
    8
)
_IN_THE_INITIAL_BYTE = 24
_SIZES = {24: 1, 25: 2, 26: 4, 27: 8}
_SMALLEST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
_SIMPLE = {20: False, 21: True, 22: None}
_FLOAT64 = 27
_LINK_TAG = 42
_CID_PREFIX = b"\x01\x71\x12\x20"  # CIDv1, dag-cbor, sha2-256, 32 bytes
_CID_BYTES = len(_CID_PREFIX) + ID_BYTES
_CID_V0_PREFIX = b"\x12\x20"


class Link(Struct, frozen=True):
    """A link of IPLD: the bytes of a CID, without the multibase prefix."""

    cid: bytes


def cid_of(data: bytes) -> bytes:
    """Return the CID of a token: CIDv1, dag-cbor, sha2-256 (36 bytes)."""
    return _CID_PREFIX + sha256(data)


def is_token_cid(cid: bytes) -> bool:
    """Tell whether a CID has the one form that names a token."""
    return len(cid) == _CID_BYTES and cid.startswith(_CID_PREFIX)


def cid_text(cid: bytes) -> str:
    """Return a CID as people see it: multibase base32, lowercase, unpadded."""
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


def cid_of_text(text: str) -> bytes:
    """Return the CID that ``cid_text`` shows."""
    return base64.b32decode(text[1:].upper() + "=" * (-(len(text) - 1) % 8))


def decode(data: bytes) -> Any:
    """Return the value of canonical ``data``; raise NotCanonical otherwise, whatever the bytes."""
    try:
        value, end = _item(data, 0, NESTING_MAX)
    except (IndexError, UnicodeDecodeError, struct.error):
        raise NotCanonical("the bytes end early or are not text") from None
    if end != len(data):
        raise NotCanonical("bytes follow the value")
    return value


def encode(value: Any) -> bytes:
    """Return the canonical bytes of maps, lists, str, bytes, int, bool, None and Link.

    Raises ValueError where the value has no canonical form, and on floats, which foedus never signs.
    """
    parts: list[bytes] = []
    _write(value, parts, NESTING_MAX)
    return b"".join(parts)


def _item(data: bytes, position: int, depth: int) -> tuple[Any, int]:
    """Read one item; return it and where it ends. Raises IndexError where the bytes end early."""
    initial = data[position]
    major, argument = initial >> 5, initial & 31
    if major == _MAJOR_SIMPLE:
        return _simple(data, position, argument)
    position += 1
    if argument >= _IN_THE_INITIAL_BYTE:
        argument, position = _argument(data, position, argument)
    if major == _MAJOR_TEXT:
        return str(_take(data, position, argument), "utf-8"), position + argument
    if major == _MAJOR_UNSIGNED:
        return argument, position
    if major == _MAJOR_BYTES:
        return _take(data, position, argument), position + argument
    if major == _MAJOR_NEGATIVE:
        return -1 - argument, position
    if depth == 0:
        raise NotCanonical(f"nested deeper than {NESTING_MAX}")
    return _COMPOUNDS[major](data, position, argument, depth - 1)


def _argument(data: bytes, position: int, code: int) -> tuple[int, int]:
    """Read a length or integer that does not fit the initial byte; refuse longer forms than needed."""
    if code not in _SIZES:
        raise NotCanonical("indefinite lengths have no place in canonical bytes")
    end = position + _SIZES[code]
    argument = int.from_bytes(_take(data, position, _SIZES[code]), "big")
    if argument < _SMALLEST[code]:
        raise NotCanonical("an integer or length is not in its shortest form")
    return argument, end


def _take(data: bytes, position: int, length: int) -> bytes:
    part = data[position : position + length]
    if len(part) != length:
        raise IndexError
    return part


def _list(data: bytes, position: int, length: int, depth: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(length):
        item, position = _item(data, position, depth)
        items.append(item)
    return items, position


def _map(data: bytes, position: int, length: int, depth: int) -> tuple[dict[str, Any], int]:
    items: dict[str, Any] = {}
    last = (-1, b"")
    for _ in range(length):
        start = position
        key, position = _item(data, position, 0)
        if not isinstance(key, str):
            raise NotCanonical("the keys of a map are text")
        order = (position - start, data[start:position])  # the head grows with the length: shorter texts come first
        if order <= last:
            raise NotCanonical("the keys of a map are sorted, each once")
        last = order
        items[key], position = _item(data, position, depth)
    return items, position


def _link(data: bytes, position: int, tag: int, _depth: int) -> tuple[Link, int]:
    content, end = _item(data, position, 0)
    if tag != _LINK_TAG or not isinstance(content, bytes) or not content.startswith(b"\0") or not _is_cid(content[1:]):
        raise NotCanonical("a tag is 42 and holds a CID")
    return Link(content[1:]), end


_COMPOUNDS: dict[int, Callable[[bytes, int, int, int], tuple[Any, int]]] = {
    _MAJOR_LIST: _list,
    _MAJOR_MAP: _map,
    _MAJOR_TAG: _link,
}


def _simple(data: bytes, position: int, code: int) -> tuple[Any, int]:
    if code in _SIMPLE:
        return _SIMPLE[code], position + 1
    if code != _FLOAT64:
        raise NotCanonical("of simple values only false, true and null, of floats only those of 64 bits have a place")
    (number,) = struct.unpack_from(">d", data, position + 1)
    if not isfinite(number):
        raise NotCanonical("a float is finite")
    return number, position + 9


def _is_cid(cid: bytes) -> bool:
    """Tell whether the bytes are one CID: version 0, or version 1 with a hash of the length that it says."""
    if len(cid) > LINK_BYTES_MAX:
        return False
    if cid.startswith(_CID_V0_PREFIX):
        return len(cid) == len(_CID_V0_PREFIX) + ID_BYTES
    position, numbers = 0, []
    for _ in range(4):  # version, codec, hash function, length of the hash
        number, position = _varint(cid, position)
        numbers.append(number)
    return numbers[0] == 1 and numbers[3] == len(cid) - position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Read an unsigned varint (multiformats): 7 bits a byte, little end first, no needless last byte."""
    number, shift = 0, 0
    while True:
        byte = data[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  # the top bit says that another byte follows
            if byte == 0 and shift > 7:  # noqa: PLR2004  # as above
                raise NotCanonical("a number of a CID is not in its shortest form")
            return number, position


def _write(value: Any, parts: list[bytes], depth: int) -> None:
    if isinstance(value, dict | list | Link) and depth == 0:
        raise ValueError(f"nested deeper than {NESTING_MAX}")
    if isinstance(value, dict):
        _write_map(value, parts, depth)
    elif isinstance(value, list):
        parts.append(_head(_MAJOR_LIST, len(value)))
        for item in value:
            _write(item, parts, depth - 1)
    else:
        parts.append(_scalar(value))


def _write_map(value: dict[str, Any], parts: list[bytes], depth: int) -> None:
    parts.append(_head(_MAJOR_MAP, len(value)))
    keys = sorted((len(key.encode()), key.encode(), key) for key in value)
    for length, text, key in keys:
        parts.append(_head(_MAJOR_TEXT, length) + text)
        _write(value[key], parts, depth - 1)


def _scalar(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return b"\xf6" if value is None else b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(_MAJOR_UNSIGNED, value) if value >= 0 else _head(_MAJOR_NEGATIVE, -1 - value)
    if isinstance(value, str):
        text = value.encode()
        return _head(_MAJOR_TEXT, len(text)) + text
    if isinstance(value, bytes):
        return _head(_MAJOR_BYTES, len(value)) + value
    if isinstance(value, Link):
        return b"\xd8\x2a" + _scalar(b"\0" + value.cid)
    raise ValueError(f"{value!r:.40} has no place in canonical bytes")


def _head(major: int, argument: int) -> bytes:
    """Return the initial bytes of an item: major type and argument in the fewest bytes."""
    if argument < _IN_THE_INITIAL_BYTE:
        return bytes([major << 5 | argument])
    for code, size in _SIZES.items():
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise ValueError("an integer has at most 64 bits")
