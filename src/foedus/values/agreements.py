"""Agreements with peers."""

from __future__ import annotations

from foedus.values.node import View


class ClauseView(View, frozen=True):
    """A clause in plain words. ``about``: ``us``, ``them``, or '' for both."""

    clause: str
    about: str
    words: str


class ChangeView(View, frozen=True):
    """A clause that two documents have in other words."""

    clause: str
    about: str
    before: str
    after: str


class VersionView(View, frozen=True):
    """A document: a version that is or was in force, or a proposal."""

    id: str
    """SHA-256 of the document, hex."""
    version: int
    base: str | None
    state: str
    """A word of docs/agreement-states.md."""
    by: str
    """The node that proposed it; '' for the starter, which both did."""
    by_us: bool
    at: int | None
    """When it came in force, or was proposed; None for the starter."""
    human: str
    """DID of who approved it on the proposing side; '' where the operator's word sufficed."""
    answers: str | None
    """The proposal in whose place it stands."""
    expires: int | None
    changes: list[ChangeView]
    """What it changes of its base."""
    document: str
    """Unpadded base64url of the bytes that both nodes sign."""


class AgreementView(View, frozen=True):
    """What is agreed with a peer, and what waits."""

    peer: str
    peer_name: str
    in_force: VersionView
    clauses: list[ClauseView]
    proposals: list[VersionView]
    """Those of either side that wait: newest last."""
    waits_for_us: list[str]
    """Ids of proposals that our human may sign, decline or counter."""
    signers: list[str]
    """DIDs of whom one has to approve on our side; none: the operator's word suffices."""


class DraftView(View, frozen=True):
    """A document to be approved: made, not yet proposed. Nothing is kept of it."""

    document: str
    id: str
    changes: list[ChangeView]
    signers: list[str]


class HumanWord(View, frozen=True):
    """A human's approval: DID, device key (hex) and its signature of ``signed("agreement", document)`` (base64url)."""

    did: str
    device: str
    signature: str
