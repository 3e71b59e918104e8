"""Domain separation: what is signed begins with what it is, so no signature serves in another place."""

from __future__ import annotations

LABELS = frozenset(
    {
        "event",
        "act",
        "body",
        "identity",
        "checkpoint",
        "link-i",
        "link-r",
        "agreement",
        "audit",
        "receipt",
        "http",
        "manifest",
        "pairing",
        "proof",
        "passkey",
        "query",
        "result",
        "call",
        "call-receipt",
        "presence",
        "webhook",
        "council",
        "council-join",
        "council-seal",
        "update",
        "vote",
        "view-change",
        "new-view",
    }
)
"""Every label of version 1; docs/protocol.md says what each covers."""

# Joined once: two of these are put before every event that is checked.
_PREFIXES = {what: b"foedus/" + what.encode() + b"/1\0" for what in LABELS}


def signed_bytes(what: str, data: bytes) -> bytes:
    """Return the bytes that a signature over ``data`` in the role ``what`` covers.

    That is ``"foedus/<what>/1" || 0x00 || data``. Raises ValueError for a label that is not in LABELS.
    """
    try:
        return _PREFIXES[what] + data
    except KeyError:
        raise ValueError(f"{what!r} is not a label of version 1") from None
