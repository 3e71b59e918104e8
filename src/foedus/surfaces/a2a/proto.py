"""The package's protobuf messages, to and from plain JSON."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]  # it ships no types

M = TypeVar("M")


def made(plain: dict[str, Any], kind: type[M]) -> M:
    """Return JSON as a message; raise ValueError (ParseError) where it is none."""
    message: M = ParseDict(plain, kind())
    return message


def plain(message: Any) -> dict[str, Any]:
    """Return a message as JSON."""
    shown: dict[str, Any] = MessageToDict(message)
    return shown
