"""The terms of a next version, as they are typed: by flags, or in a file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from foedus.base.limits import DAY, SECOND
from foedus.surfaces.cli.errors import CommandLineError
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

_FILE_MAX = 1_048_576
"""Bytes of a file of terms: far more than a document can hold."""
Kinds = Annotated[
    list[Literal["room", "knowledge", "council", "nothing"]] | None,
    Parameter(negative="", help="'nothing' for none. Give it once for each."),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TermOptions:
    """The clauses that change; what is not given stays."""

    file: Annotated[
        Path | None,
        Parameter(metavar="FILE", help="Terms in TOML, or in JSON (FILE.json), as docs/agreements.md says."),
    ] = None
    room: Annotated[
        list[str] | None,
        Parameter(negative="", help="A room that may pass (id, first digits or name), or 'shared' for all. Repeat it."),
    ] = None
    we_send: Annotated[Kinds, Parameter(help="What this node may send: 'nothing' for none. Repeat it.")] = None
    they_send: Annotated[Kinds, Parameter(help="What the peer may send: 'nothing' for none. Repeat it.")] = None
    our_rate: Annotated[
        int | None, Parameter(validator=validators.Number(gte=0), help="Events a minute from us; 0: no limit.")
    ] = None
    their_rate: Annotated[
        int | None, Parameter(validator=validators.Number(gte=0), help="Events a minute from them; 0: no limit.")
    ] = None
    retention_days: Annotated[
        int | None, Parameter(validator=validators.Number(gte=0), help="How long what passed is kept; 0: for ever.")
    ] = None
    expires: Annotated[
        str, Parameter(metavar="DATE", help="Day or time (ISO 8601, UTC), a number of days as 90d, or 'never'.")
    ] = ""
    humans: Annotated[
        Literal["enrolled", "named"] | None,
        Parameter(help="Whether every enrolled human speaks for themselves, or only who is named."),
    ] = None


TERMS = TermOptions()


def terms_of(node: Client, options: TermOptions) -> dict[str, Any]:
    """Return the terms as the API takes them: those of the file, and over them those of the flags."""
    terms = _from_file(options.file) if options.file is not None else {}
    flags: dict[str, Any] = {
        "rooms": _rooms(node, options.room),
        "retention_days": options.retention_days,
        "expires": _expires(options.expires),
        "humans": options.humans,
    }
    terms |= {name: value for name, value in flags.items() if value is not None}
    for side, kinds, rate in (
        ("ours", options.we_send, options.our_rate),
        ("theirs", options.they_send, options.their_rate),
    ):
        clauses = {"directions": _kinds(kinds), "rate": rate}
        given = {name: value for name, value in clauses.items() if value is not None}
        if given:
            terms[side] = {**terms.get(side, {}), **given}
    return terms


def _from_file(path: Path) -> dict[str, Any]:
    import json
    import tomllib

    try:
        data = path.read_bytes()[:_FILE_MAX]
        terms = json.loads(data) if path.suffix == ".json" else tomllib.loads(data.decode())
    except (OSError, ValueError) as error:
        raise CommandLineError(f"{path}: {error}", remedy="give terms in TOML, or in JSON as FILE.json") from None
    if not isinstance(terms, dict):
        raise CommandLineError(f"{path}: terms are a table of clauses", remedy="see docs/agreements.md")
    expires = terms.get("expires")
    if isinstance(expires, str):
        terms["expires"] = _expires(expires)
    elif isinstance(expires, datetime):
        terms["expires"] = _micros(expires)
    return terms


def _rooms(node: Client, rooms: list[str] | None) -> str | list[str] | None:
    if rooms is None or rooms == ["shared"]:
        return None if rooms is None else "shared"
    from foedus.surfaces.cli.client import path_of

    return [node.get(path_of("rooms", room), RoomView).room for room in rooms]


def _kinds(kinds: Sequence[str] | None) -> list[str] | None:
    return None if kinds is None else [kind for kind in kinds if kind != "nothing"]


def _expires(text: str) -> int | None:
    """Return the instant that a person wrote, 0 for never, None for nothing; raise CommandLineError."""
    if not text or text == "never":
        return 0 if text else None
    try:
        if text.endswith("d"):
            return time.time_ns() // 1_000 + int(text[:-1]) * DAY
        return _micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise CommandLineError(
            f"{text!r} is no time", remedy="write 2027-01-31, 2027-01-31T18:00, 90d or never"
        ) from None


def _micros(at: datetime) -> int:
    known = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(known.timestamp()) * SECOND
