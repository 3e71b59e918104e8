"""The answers of authenticators, checked by the `webauthn` library, which is loaded when the first one comes."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from msgspec import Struct

from foedus.base.errors import UsageError

log = logging.getLogger("foedus.passkeys")


class BadPasskey(UsageError):
    """An authenticator's answer is not what was asked for."""

    code = "bad_passkey"
    http_status = 403
    remedy = "try again, with a passkey that was added on this page"


class Registered(Struct, frozen=True):
    """A new credential: its id, its COSE public key, and its signature counter."""

    id: bytes
    public: bytes
    count: int


class Credential(Struct, frozen=True):
    """What is known of a credential. ``origin``: of the page on which it was added."""

    public: bytes
    count: int
    origin: str


def registered(response: str, challenge: bytes, origin: str) -> Registered:
    """Return the credential that an answer (WebAuthn's RegistrationResponseJSON) brings; raise BadPasskey.

    The person must have been verified by the authenticator (PIN, finger, face), not merely present.
    """
    from webauthn import verify_registration_response  # noqa: PLC0415  # 0.2 s, for nodes whose people have passkeys

    try:
        found = verify_registration_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=_host(origin),
            expected_origin=origin,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # whatever hostile bytes make parsers of CBOR, COSE and X.509 raise
        raise _bad(error) from None
    return Registered(found.credential_id, found.credential_public_key, found.sign_count)


def asserted(response: str, challenge: bytes, credential: Credential) -> int:
    """Return the new counter of a credential that signed a challenge (AuthenticationResponseJSON); raise BadPasskey.

    A counter that did not grow is refused: the authenticator was copied. Those that sync have none, which is 0.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415  # as above

    try:
        found = verify_authentication_response(
            credential=response,
            expected_challenge=challenge,
            expected_rp_id=_host(credential.origin),
            expected_origin=credential.origin,
            credential_public_key=credential.public,
            credential_current_sign_count=credential.count,
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001  # as above
        raise _bad(error) from None
    return found.new_sign_count


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _bad(error: Exception) -> BadPasskey:
    log.info("a passkey was refused: %r", error)
    return BadPasskey(f"the passkey's answer does not hold: {str(error)[:200]}")
