"""Tokens, and the pairing of devices."""

from __future__ import annotations

from typing import Literal

from foedus.values.node import View


class PairCodeView(View, frozen=True):
    """A code for a new device, shown once."""

    code: str
    url: str
    """Where the node answers."""
    link: str
    """URL and code together: what the QR code holds."""
    kind: Literal["human", "agent"]
    did: str
    """The participant who gets a further device; '' where a new one is made."""
    expires: int


class PairStep(View, frozen=True):
    """Where a pairing stands. ``state`` says what the new device does next.

    ``prove``: sign the challenge (docs/protocol.md, section 11). ``waiting``: an enrolled device of the participant
    confirms it; ask again. ``paired``: done.
    """

    state: Literal["prove", "waiting", "paired"]
    pairing: str
    kind: Literal["human", "agent"]
    did: str
    """'' until a new participant has enrolled."""
    node: str
    epoch: str
    now: int
    challenge: str
    """Unpadded base64url."""
    fingerprint: str
    """Of the new device's key: compare it on both screens."""
    expires: int
    token: str = ""
    """The bearer token, told only here, where ``paired``."""

    def __repr__(self) -> str:
        """Never show the token."""
        return f"PairStep({self.state}, {self.pairing})"


class PairingView(View, frozen=True):
    """A new device that waits for an enrolled one to confirm it."""

    pairing: str
    did: str
    name: str
    """The participant's."""
    kind: Literal["human", "agent"]
    device: str
    """Its public key, hex."""
    device_name: str
    fingerprint: str
    possession: str
    """The new key's signature over {did, device, node}, unpadded base64url: it goes into the enrolment."""
    expires: int


class CallerView(View, frozen=True):
    """Who the bearer token stands for: the operator ('' as ``did``) or a participant's device."""

    did: str
    name: str
    kind: Literal["operator", "human", "agent"]
    device: str
    bound: bool
    """Whether requests must carry the header ``foedus-proof`` of that device."""
    architect: bool = False
    """Whether the node is this human's own: what is the operator's is open to them."""


class TokenView(View, frozen=True):
    """A token, told once."""

    did: str
    name: str
    device: str
    bound: bool
    token: str

    def __repr__(self) -> str:
        """Never show the token."""
        return f"TokenView(did={self.did!r})"


class PasskeyView(View, frozen=True):
    """A passkey of a person."""

    passkey: str
    """What it is called by, hex."""
    credential: str
    """Its credential id, unpadded base64url."""
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
