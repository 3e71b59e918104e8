"""Whether bytes are a Yjs update (version 1), before a library sees them.

yrs, which pycrdt wraps, trusts what it reads: a few random bytes keep it counting for hours. Other clients throw at
JSON that is none. So each update is walked through here first, as ``readUpdate`` of yjs 13.6 does
(src/utils/encoding.js, src/structs/Content*.js), and nothing is built from it. What an item says of others is not
looked at: that may still be the end of who holds the document (``replica``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.limits import CLOCK_MAX, NESTING_MAX, STRUCTS_MAX, UPDATE_BYTES_MAX
from foedus.state.documents.reading import Reader

EMPTY = b"\x00\x00"
"""An update without anything in it."""
_KIND, _PARENT_SUB, _RIGHT, _LEFT = 0x1F, 0x20, 0x40, 0x80
_GC, _SKIP = 0, 10
_NAMED_TYPES = frozenset({3, 5})
"""XML elements and hooks, whose name follows."""
_TYPES = 7
_UNDEFINED = "undefined"


class Reach(NamedTuple):
    """Of each Yjs client, by its number: up to which clock an update brings something, and from where on.

    ``needs``: up to which clock something of each has to be held before the update can be taken in whole.
    """

    ends: dict[int, int]
    needs: dict[int, int]


def check(update: bytes) -> dict[int, int]:
    """Return up to which clock an update brings something of each Yjs client; raise BadUpdate where it is none."""
    return reach(update).ends


def reach(update: bytes) -> Reach:
    """Return what an update brings and needs; raise BadUpdate where it is none."""
    if len(update) > UPDATE_BYTES_MAX:
        raise BadUpdate(f"an update has at most {UPDATE_BYTES_MAX} bytes, not {len(update)}", code="too_large")
    reader = Reader(update, BadUpdate)
    found = Reach({}, {})
    named: dict[int, int] = {}
    counted = _Count()
    for _ in range(reader.count()):
        _structs(reader, counted, found, named)
    for client, clock in named.items():
        if clock > found.ends.get(client, 0):
            _raise(found.needs, client, clock)
    _deletions(reader, counted)
    return found


class _Count:
    """How many structs, and ranges of what was deleted, an update has."""

    def __init__(self) -> None:
        self._left = STRUCTS_MAX

    def more(self, count: int) -> int:
        """Return a count that comes next; raise BadUpdate where with it there are too many."""
        self._left -= count
        if self._left < 0:
            raise BadUpdate(f"an update has at most {STRUCTS_MAX} structs", code="too_large")
        return count


def _deletions(reader: Reader, counted: _Count) -> None:
    """Read what is deleted. It need not be held: what comes later comes deleted."""
    deleted: set[int] = set()
    for _ in range(reader.count()):
        deleted.add(_other(reader, deleted))
        for _ in range(counted.more(reader.count())):
            _range(reader, reader.number(CLOCK_MAX))
    reader.end()


def _other(reader: Reader, known: Collection[int]) -> int:
    """Return the next client, which is none of those."""
    client = reader.number()
    if client in known:
        raise reader.fail("a client stands twice")
    return client


def clocks(state_vector: bytes) -> dict[int, int]:
    """Return what a state vector says: up to which clock something is held of each Yjs client. Raises BadUpdate."""
    reader = Reader(state_vector, BadUpdate)
    held = {reader.number(): reader.number(CLOCK_MAX) for _ in range(reader.count())}
    reader.end()
    return held


def _structs(reader: Reader, counted: _Count, found: Reach, named: dict[int, int]) -> None:
    """Read the structs of one client. ``named``: up to which clock they name what stands beside or around them."""
    count = counted.more(reader.count())
    client = _other(reader, found.ends)
    clock = reader.number(CLOCK_MAX)
    _raise(found.needs, client, clock)
    for _ in range(count):
        info = reader.byte()
        clock += _struct(reader, info, clock, named)
        if clock > CLOCK_MAX:
            raise reader.fail("a clock is too great")
        if info & _KIND == _SKIP:
            _raise(found.needs, client, clock)
    found.ends[client] = clock


def _raise(clocks: dict[int, int], client: int, clock: int) -> None:
    if clock > clocks.get(client, 0):
        clocks[client] = clock


def _struct(reader: Reader, info: int, clock: int, named: dict[int, int]) -> int:
    """Read one; return how many places it takes."""
    kind = info & _KIND
    if kind in {_GC, _SKIP}:
        return _range(reader, clock)
    _neighbours(reader, info, named)
    content = _CONTENTS.get(kind)
    if content is None:
        raise reader.fail("a struct is of no known kind")
    size = content(reader)
    if not size:
        raise reader.fail("a struct is empty")
    return size


def _neighbours(reader: Reader, info: int, named: dict[int, int]) -> None:
    """Read between what an item stands, or in what."""
    for bit in (_LEFT, _RIGHT):
        if info & bit:
            _id(reader, named)
    if info & (_LEFT | _RIGHT):
        return
    in_root = reader.number(1)
    if in_root:
        reader.text()
    else:
        _id(reader, named)
    if info & _PARENT_SUB:
        reader.text()


def _id(reader: Reader, named: dict[int, int]) -> None:
    client = reader.number()
    _raise(named, client, reader.number(CLOCK_MAX) + 1)


def _range(reader: Reader, start: int) -> int:
    size = reader.number(CLOCK_MAX)
    if not size or start + size > CLOCK_MAX:
        raise reader.fail("a range is empty or too long")
    return size


# --- contents: each returns how many places it takes -----------------------------------------


def _deleted(reader: Reader) -> int:
    return reader.number(CLOCK_MAX)


def _json(reader: Reader) -> int:
    count = reader.count()
    for _ in range(count):
        _json_text(reader, or_undefined=True)
    return count


def _binary(reader: Reader) -> int:
    reader.block()
    return 1


def _string(reader: Reader) -> int:
    """Places are UTF-16 code units."""
    return len(reader.text().encode("utf-16-le")) // 2


def _embed(reader: Reader) -> int:
    _json_text(reader)
    return 1


def _format(reader: Reader) -> int:
    reader.text()
    _json_text(reader)
    return 1


def _type(reader: Reader) -> int:
    kind = reader.number(_TYPES - 1)
    if kind in _NAMED_TYPES:
        reader.text()
    return 1


def _anys(reader: Reader) -> int:
    count = reader.count()
    for _ in range(count):
        _any(reader, 0)
    return count


def _document(reader: Reader) -> int:
    reader.text()
    _any(reader, 0)
    return 1


def _json_text(reader: Reader, *, or_undefined: bool = False) -> None:
    text = reader.text()
    if or_undefined and text == _UNDEFINED:
        return
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise reader.fail("a value is not JSON") from None


def _any(reader: Reader, depth: int) -> None:
    """Read a value as lib0 writes it (encoding.js, ``writeAny``)."""
    if depth > NESTING_MAX:
        raise reader.fail("a value is nested too deeply")
    kind = reader.byte()
    if kind in _FIXED:
        reader.skip(_FIXED[kind])
    elif kind == _INTEGER:
        while reader.byte() >= 0x80:  # noqa: PLR2004  # more follows
            pass
    elif kind in {_TEXT, _BYTES}:
        (reader.text if kind == _TEXT else reader.block)()
    elif kind in {_OBJECT, _ARRAY}:
        for _ in range(reader.count()):
            if kind == _OBJECT:
                reader.text()
            _any(reader, depth + 1)
    else:
        raise reader.fail("a value is of no known kind")


_BYTES, _ARRAY, _OBJECT, _TEXT, _INTEGER = 116, 117, 118, 119, 125
_FIXED = MappingProxyType({120: 0, 121: 0, 122: 8, 123: 8, 124: 4, 126: 0, 127: 0})
"""Bytes that follow true, false, a large integer, two floats, null and undefined."""

_CONTENTS: MappingProxyType[int, Callable[[Reader], int]] = MappingProxyType(
    {1: _deleted, 2: _json, 3: _binary, 4: _string, 5: _embed, 6: _format, 7: _type, 8: _anys, 9: _document}
)
