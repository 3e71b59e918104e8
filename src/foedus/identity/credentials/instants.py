"""Instants as XML Schema writes them: dateTimeStamp, which always names its zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.identity.credentials.errors import BadDocument

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_instant(text: Any) -> Instant:
    """Return the instant that a dateTimeStamp (up to microseconds) names; raise BadDocument."""
    if not isinstance(text, str) or _FORM.fullmatch(text) is None:
        raise BadDocument(f"{str(text)[:40]!r} is not a time such as 2026-01-01T00:00:00Z", code="bad_time")
    try:
        at = datetime.fromisoformat(text)
        return (at - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise BadDocument(f"{text[:40]!r} is in no calendar", code="bad_time") from None


def to_stamp(at: Instant) -> str:
    """Return the second of an instant as a dateTimeStamp in UTC."""
    return (_EPOCH + timedelta(seconds=at // SECOND)).strftime("%Y-%m-%dT%H:%M:%SZ")
