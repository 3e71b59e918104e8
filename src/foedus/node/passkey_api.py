"""What surfaces may ask of a running node about passkeys."""

from __future__ import annotations

from typing import Protocol

from foedus.values.access import PasskeysView, PasskeyView


class PasskeyService(Protocol):
    """Passkeys: a part of ``api.NodeService``. They are added and shown by a person's own token alone."""

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
