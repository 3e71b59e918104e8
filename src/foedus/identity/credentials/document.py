"""The JSON of credentials: read strictly, so that one text has one meaning, and canonical bytes (RFC 8785).

JSON leaves much open that a signature must not: two members of one name, numbers that no double holds,
1.0 beside 1. What is open is refused, since whoever reads on may choose otherwise than we did.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeAlias

import rfc8785

from foedus.base.limits import NESTING_MAX
from foedus.identity.credentials.errors import BadDocument

Document: TypeAlias = dict[str, Any]

CREDENTIAL_BYTES_MAX = 16 * 1024
"""Bytes of a credential's JSON: a claim about one subject has 1 KB; a node keeps hundreds in memory."""
PRESENTATION_BYTES_MAX = 256 * 1024
"""Bytes of a presentation's JSON: CREDENTIALS_MAX credentials, hardly ever all of the largest."""
STATUS_LIST_BYTES_MAX = 256 * 1024
"""Bytes of a status list's JSON: STATUS_BITS_MAX bits that no gzip shortens are 175 KB of base64url."""

_INTEGER = re.compile(r"-?[1-9][0-9]{0,15}|0")
_INTEGER_MAX = (1 << 53) - 1
"""Beyond it doubles, and so many readers, take neighbours for one (RFC 8785, appendix D)."""
_NUMBER_CHARACTERS_MAX = 32
"""The longest form that RFC 8785 writes has 25 characters."""


def read_document(text: str | bytes, limit: int) -> Document:
    """Return the JSON object that ``text`` is; ``limit``: its bytes at most.

    Raises BadDocument where it is longer, nested deeper than NESTING_MAX, no object, not UTF-8, names a member
    twice, or holds a number in another than its canonical form (RFC 8785, section 3.2.2.3).
    """
    try:
        data = text.encode() if isinstance(text, str) else text
        if len(data) > limit:
            raise BadDocument(f"it has {len(data)} bytes; {limit} are allowed", code="document_too_large")
        value = json.loads(
            data.decode(),
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_no_number,
        )
    except (UnicodeError, json.JSONDecodeError) as error:
        raise BadDocument(f"it is not JSON in UTF-8: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise BadDocument("it is not a JSON object")
    canonical(value)
    return value


def canonical(document: Document) -> bytes:
    """Return the canonical bytes (RFC 8785); raise BadDocument where the value has none, or is nested too deep."""
    _check_depth(document, NESTING_MAX)
    try:
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:  # the latter of names; of values, the former
        raise BadDocument(f"it has no canonical form: {error}") from None


def to_text(document: Document) -> str:
    """Return the JSON that travels, indented for people; ``read_document`` takes it back."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _check_depth(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise _too_deep()
    for inner in value.values() if isinstance(value, dict) else value:
        _check_depth(inner, left - 1)


def _too_deep() -> BadDocument:
    return BadDocument(f"it is nested deeper than {NESTING_MAX}", code="document_too_deep")


def _members(pairs: list[tuple[str, Any]]) -> Document:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadDocument("it names a member twice")
    return members


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) is None or abs(int(text)) > _INTEGER_MAX:
        return _no_number(text)
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    try:
        is_canonical = len(text) <= _NUMBER_CHARACTERS_MAX and rfc8785.dumps(value) == text.encode()
    except rfc8785.CanonicalizationError:  # what a double cannot hold has no canonical form either
        is_canonical = False
    return value if is_canonical else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise BadDocument(f"{text[:_NUMBER_CHARACTERS_MAX]} is not the canonical form of a number", code="bad_number")
