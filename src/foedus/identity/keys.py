"""The keys of an epoch, and what two signatures by them are: one by Ed25519, one by ML-DSA-65."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeAlias

from msgspec import Meta, Struct

from foedus.crypto import ed25519, mldsa
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.mldsa import MlDsaKey
from foedus.crypto.xwing import PUBLIC_BYTES as XWING_PUBLIC_BYTES
from foedus.crypto.xwing import XWingKey

Ed25519Public: TypeAlias = Annotated[bytes, Meta(min_length=ed25519.PUBLIC_BYTES, max_length=ed25519.PUBLIC_BYTES)]
MlDsaPublic: TypeAlias = Annotated[bytes, Meta(min_length=mldsa.PUBLIC_BYTES, max_length=mldsa.PUBLIC_BYTES)]
XWingPublic: TypeAlias = Annotated[bytes, Meta(min_length=XWING_PUBLIC_BYTES, max_length=XWING_PUBLIC_BYTES)]
Ed25519Sig: TypeAlias = Annotated[bytes, Meta(min_length=ed25519.SIGNATURE_BYTES, max_length=ed25519.SIGNATURE_BYTES)]
MlDsaSig: TypeAlias = Annotated[bytes, Meta(min_length=mldsa.SIGNATURE_BYTES, max_length=mldsa.SIGNATURE_BYTES)]
Signatures: TypeAlias = tuple[Ed25519Sig, MlDsaSig]


class SigningKeys(Protocol):
    """Two secret keys that sign together: those of an epoch, or those of recovery."""

    @property
    def ed25519(self) -> Ed25519Key:
        """The classical signing key."""

    @property
    def mldsa65(self) -> MlDsaKey:
        """The post-quantum signing key."""


class KeySet(SigningKeys, Protocol):
    """The secret keys of one epoch."""

    @property
    def xwing(self) -> XWingKey:
        """The decapsulation key."""


class PublicKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """The public keys of one epoch: 32, 1,952 and 1,216 bytes."""

    ed25519: Ed25519Public
    mldsa65: MlDsaPublic
    xwing: XWingPublic


def public_keys(keys: KeySet) -> PublicKeys:
    """Return the public part of ``keys``."""
    return PublicKeys(ed25519=keys.ed25519.public, mldsa65=keys.mldsa65.public, xwing=keys.xwing.public)


def sign_both(keys: SigningKeys, message: bytes) -> Signatures:
    """Sign ``message``, which begins with its label, with both keys."""
    return keys.ed25519.sign(message), keys.mldsa65.sign(message)


def both_hold(publics: tuple[bytes, bytes], message: bytes, signatures: Signatures) -> bool:
    """Tell whether both signatures hold under ``publics`` (Ed25519, ML-DSA-65); the cheap one is checked first."""
    return ed25519.verify(publics[0], message, signatures[0]) and mldsa.verify(publics[1], message, signatures[1])
