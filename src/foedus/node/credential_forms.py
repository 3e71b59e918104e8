"""What surfaces ask of credentials. Documents are JSON texts: how they were written is part of what is judged."""

from __future__ import annotations

import msgspec

from foedus.values.node import View


class IssueRequest(View, frozen=True):
    """What the node itself shall claim. ``claims``: JSON of an object; ``valid_until``: µs since 1970 UTC, or None."""

    type: str
    subject: str
    claims: str
    valid_until: int | None = None


class PresentRequest(View, frozen=True):
    """A presentation to be signed by the key of a custodial agent, or (``as_`` '') of the node."""

    credentials: list[str]
    challenge: str
    domain: str
    as_: str = ""


class VerifyRequest(View, frozen=True):
    """A document to be judged. ``challenge`` '': one that this node gave; ``domain`` '': this node's id."""

    document: str
    challenge: str = ""
    domain: str = ""
    status_lists: list[str] = msgspec.field(default_factory=list)
