"""Passkeys of people."""

from __future__ import annotations

from foedus.sdk.operation import Group, M, Sent, operation
from foedus.values.access import PasskeysView, PasskeyView


class Passkeys(Group[M]):
    """Passkeys: what a person's authenticator confirms beside their device. Browsers add and show them."""

    @operation("GET", "/passkeys")
    def all(self) -> Sent[PasskeysView]:
        """Return the passkeys, and whether grants need one; to a person, their own."""
        return Sent()

    @operation("POST", "/passkeys")
    def add(self, name: str, *, salt: str, response: str) -> Sent[PasskeyView]:
        """Add one: 32 random bytes (base64url), and WebAuthn's RegistrationResponseJSON."""
        return Sent(body={"name": name, "salt": salt, "response": response})

    @operation("POST", "/passkeys/show")
    def show(self, credential: str, *, statement: str, response: str) -> Sent[None]:
        """Confirm a statement (base64url): what it is for may come once, in two minutes."""
        return Sent(body={"credential": credential, "statement": statement, "response": response})

    @operation("DELETE", "/passkeys/{passkey}")
    def remove(self, passkey: str) -> Sent[None]:
        """Remove one, such as of a lost phone; ``passkey``: its id in hex."""
        return Sent({"passkey": passkey})
