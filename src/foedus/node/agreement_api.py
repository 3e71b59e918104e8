"""What surfaces may ask of a running node about agreements."""

from __future__ import annotations

from typing import Protocol

from foedus.trust.agreements.terms import Terms
from foedus.values.agreements import AgreementView, ChangeView, DraftView, HumanWord, VersionView


class AgreementService(Protocol):
    """Agreements of a running node. ``peer``: as in ``NodeService``; ``agreement``: an id, its first digits, or ''."""

    def all(self) -> list[AgreementView]:
        """Return what is agreed with every connected peer."""
        ...

    def show(self, peer: str) -> AgreementView:
        """Return what is agreed with a peer, also after its end."""
        ...

    def history(self, peer: str) -> list[VersionView]:
        """Return every document of the connection, from the starter on: versions and proposals."""
        ...

    def diff(self, peer: str, older: str = "", newer: str = "") -> list[ChangeView]:
        """Return what changes from one document to another; by default from what is in force to what waits."""
        ...

    def draft(self, peer: str, terms: Terms) -> DraftView:
        """Make the document of a next version."""
        ...

    async def propose(
        self, peer: str, document: str, *, answers: str = "", human: HumanWord | None = None
    ) -> AgreementView:
        """Offer a drafted document to the peer, in the place of its proposal ``answers`` where that is given."""
        ...

    async def sign(self, peer: str, agreement: str, human: HumanWord | None = None) -> AgreementView:
        """Sign the peer's proposal."""
        ...

    async def decline(self, peer: str, agreement: str = "") -> AgreementView:
        """Say no to the peer's proposal."""
        ...

    async def withdraw(self, peer: str, agreement: str = "") -> AgreementView:
        """Take back what is not yet in force."""
        ...

    async def terminate(self, peer: str, reason: str = "") -> AgreementView:
        """End the agreement, and with it the connection."""
        ...
