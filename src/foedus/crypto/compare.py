"""Comparing secrets without telling how much of them was right."""

from __future__ import annotations

import hmac


def equal(a: bytes, b: bytes) -> bool:
    """Tell whether two secrets (tokens, tags) are equal, in a time that depends on their lengths alone."""
    return hmac.compare_digest(a, b)
