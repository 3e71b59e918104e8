"""Passkeys as surfaces see them."""

from __future__ import annotations

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
