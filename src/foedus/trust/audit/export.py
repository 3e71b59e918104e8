"""An audit log as JSON Lines: what ``foedus audit export`` writes, and a verifier on any machine reads.

Each line is an object with a ``type``. Rows and statements are shown by their fields, and their bytes are made of these
again, so nothing that a reader sees escapes the hash. Bytes are lowercase hex.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import Struct

from foedus.base.cbor import Malformed, encode, to_plain
from foedus.base.errors import PeerViolation
from foedus.base.ids import ID_BYTES, sha256
from foedus.trust.audit.rows import Row, parse_row
from foedus.trust.audit.seals import Seal, Statement, read_statement
from foedus.trust.audit.verify import Stored

FORMAT = "foedus-audit/1"
LINE_MAX = 262_144
"""Characters of a line: the longest holds an envelope (ENVELOPE_MAX bytes as hex) and its name."""
_ROW_BYTES = ("digest", "prev")
_STATEMENT_BYTES = ("node", "epoch", "head", "prev")


class Opening(Struct, frozen=True):
    """The first line: whose log this is."""

    node: bytes


class Record(NamedTuple):
    """A signed identity record, of the log's node or of one that witnessed it."""

    data: bytes


class Witness(NamedTuple):
    """The envelope of an event that tells a head, or countersigns one."""

    envelope: bytes


Item = Opening | Record | Stored | Seal | Witness


def line_of(item: Item) -> str:
    """Return the line of an item, without its end."""
    shown: dict[str, Any]
    match item:
        case Opening(node=node):
            shown = {"type": "audit", "format": FORMAT, "node": node.hex()}
        case Record(data=data):
            shown = {"type": "record", "record": data.hex()}
        case Stored(n=n, data=data):
            shown = {"type": "row", "hash": sha256(data).hex(), **_shown_row(data), "n": n}
        case Seal():
            statement = _shown(read_statement(item))
            shown = {"type": "seal", **statement, "ed25519": item.ed25519.hex(), "mldsa65": item.mldsa65.hex()}
        case Witness(envelope=envelope):
            shown = {"type": "witness", "envelope": envelope.hex()}
    return json.dumps(shown)


def _shown(value: Row | Statement) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(value)
    return {name: each.hex() if isinstance(each, bytes) else each for name, each in plain.items()}


def _shown_row(data: bytes) -> dict[str, Any]:
    """Return the fields of a row; of one that was damaged its bytes, which no reader takes for a row."""
    try:
        return _shown(parse_row(data))
    except PeerViolation:
        return {"damaged": data.hex()}


def items(lines: Iterator[str]) -> Iterator[Item]:
    """Yield what the lines hold; raise Malformed, naming the line, where one is not as ``line_of`` makes it."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _item(json.loads(line))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise Malformed(f"line {number} is not a line of an exported audit log: {error}") from None


def _item(shown: Any) -> Item:
    fields = dict(shown)
    match fields.pop("type"):
        case "audit":
            if fields.pop("format") != FORMAT or len(node := bytes.fromhex(fields.pop("node"))) != ID_BYTES:
                raise ValueError("another format")
            return Opening(node)
        case "record":
            return Record(bytes.fromhex(fields["record"]))
        case "row":
            return _row(fields)
        case "seal":
            signatures = [bytes.fromhex(fields.pop(name)) for name in ("ed25519", "mldsa65")]
            return Seal(_bytes_of(fields, _STATEMENT_BYTES), *signatures)
        case "witness":
            return Witness(bytes.fromhex(fields["envelope"]))
        case other:
            raise ValueError(f"{other!r} is no type")


def _row(fields: dict[str, Any]) -> Stored:
    """Return the row, its bytes made of its fields; the shown hash is for people, and must be theirs."""
    n, hash_ = int(fields["n"]), fields.pop("hash")
    try:
        data = _bytes_of(fields, _ROW_BYTES)
    except (ValueError, TypeError):
        data = b""
    return Stored(n, data if sha256(data).hex() == hash_ else b"")  # of no bytes verification says that it was edited


def _bytes_of(fields: dict[str, Any], binary: tuple[str, ...]) -> bytes:
    plain = {
        name: bytes.fromhex(value) if name in binary and value is not None else value for name, value in fields.items()
    }
    return encode(plain)
