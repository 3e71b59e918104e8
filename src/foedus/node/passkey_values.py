"""Passkeys as surfaces see them, and what they may ask of a node about them: a part of ``api.NodeService``."""

from __future__ import annotations

from typing import Protocol

from foedus.node.values import View


class PasskeyView(View, frozen=True):
    """A passkey of a person."""

    passkey: str
    """What it is called by, hex."""
    credential: str
    """Its credential id, unpadded base64url: what a browser asks its authenticators for."""
    did: str
    name: str
    origin: str
    """The address of the page on which it was added: it serves there alone."""
    added: int
    used: int
    """When it last confirmed something; 0: not yet."""


class PasskeysView(View, frozen=True):
    """The passkeys, and whether approvals and grants need one."""

    required: bool
    passkeys: list[PasskeyView]


class PasskeyService(Protocol):
    """Passkeys. They are added and shown by a person's own token alone."""

    def passkeys(self) -> PasskeysView:
        """Return every passkey; to a person, their own."""
        ...

    async def passkey_add(self, name: str, salt: str, response: str, origin: str) -> PasskeyView:
        """Take a new one. ``response``: RegistrationResponseJSON; ``origin``: of the page that asks."""
        ...

    async def passkey_show(self, credential: str, statement: str, response: str) -> None:
        """Take one's word for a statement (base64url): what it is for may come once, soon."""
        ...

    async def passkey_remove(self, passkey: str) -> None:
        """Forget one."""
        ...
