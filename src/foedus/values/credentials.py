"""Credentials. Documents are JSON texts: how they were written is part of what is judged."""

from __future__ import annotations

from typing import Any, Literal

from foedus.values.node import View


class ProvenView(View, frozen=True):
    """What one credential says. Times in µs since 1970 UTC."""

    id: str
    types: list[str]
    issuer: str
    issuer_known_as: str
    subject: str
    subject_known_as: str
    claims: dict[str, Any]
    valid_from: int | None
    valid_until: int | None


class CredentialView(ProvenView, frozen=True):
    """A credential that was issued here, or is held here for its subject.

    ``key``: SHA-256 of the canonical document, hex; ``id``: as its issuer named it. ``revoked`` is None where another
    node's list tells it. ``document``: its JSON, where this node has it and it was asked for alone; of what was issued
    and is not held, ``claims`` is empty.
    """

    key: str
    role: Literal["issued", "held"]
    revoked: bool | None
    document: str = ""


class PlaceView(View, frozen=True):
    """A free place in an issuer's status list. ``status_list``: its JSON, '' where a first one is to be signed."""

    url: str
    place: int
    status_list: str


class DocumentView(View, frozen=True):
    """A JSON text, such as a presentation or a status list."""

    document: str


class VerifiedView(View, frozen=True):
    """What was proved. ``holder`` '' where a bare credential was shown: then nobody proved to be its subject."""

    holder: str
    holder_known_as: str
    credentials: list[ProvenView]


class ChallengeView(View, frozen=True):
    """A question for one presentation: it serves once, until ``expires`` (µs since 1970 UTC)."""

    challenge: str
    domain: str
    expires: int


class BeliefView(View, frozen=True):
    """An issuer whom this node believes in claims of a type."""

    issuer: str
    issuer_known_as: str
    type: str
