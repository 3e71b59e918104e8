"""Passphrases of device keys that the operating system keeps: its keyring opens when the person logs in.

The key file stays in the device folder, sealed; the keyring holds the random passphrase that opens it. So a copied
folder is worth nothing without the person's session, and the keyring nothing without the folder.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from foedus.base.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from types import ModuleType

_SERVICE = "foedus device key"
_PASSPHRASE_BYTES = 32


class NoKeyring(Unavailable):
    """No keyring of this machine can be used."""

    code = "no_keyring"
    remedy = "leave out --keyring and choose a passphrase, or start the keyring of your desktop (Secret Service)"


def new_passphrase(public: bytes) -> str:
    """Make the passphrase of a new device key, keep it in the keyring, and return it. Raises NoKeyring."""
    keyring = _usable()
    phrase = secrets.token_urlsafe(_PASSPHRASE_BYTES)
    _call(keyring.set_password, _SERVICE, public.hex(), phrase)
    return phrase


def passphrase_of(public: bytes) -> str:
    """Return the passphrase of a device key. Raises NoKeyring, or NotFound where the keyring does not know the key."""
    phrase = _call(_usable().get_password, _SERVICE, public.hex())
    if not phrase:
        raise NotFound(
            f"the keyring does not hold the passphrase of the key {public.hex()[:12]}",
            code="not_in_keyring",
            remedy="log in as whoever made the key; if it is lost, revoke the device from another one",
        )
    return str(phrase)


def _usable() -> ModuleType:
    """Return the library, if there is a backend behind it that keeps anything (priority of at least 1)."""
    import keyring  # noqa: PLC0415  # it looks for backends when it is imported, which takes a tenth of a second
    from keyring.backends import fail, null  # noqa: PLC0415

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring | null.Keyring):
        raise NoKeyring("this machine has no keyring: neither a desktop's nor the system's answers")
    return keyring


def _call(function: Any, *arguments: str) -> Any:
    from keyring.errors import KeyringError  # noqa: PLC0415

    try:
        return function(*arguments)
    except KeyringError as error:
        raise NoKeyring(f"the keyring does not answer: {error}") from None
