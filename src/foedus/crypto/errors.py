"""What cryptography refuses, in the three families of ``base.errors``."""

from __future__ import annotations

from foedus.base.errors import PeerViolation, Unavailable, UsageError


class BadKey(PeerViolation):
    """A public key or ciphertext from outside has the wrong length or is no valid value."""

    code = "bad_key"
    remedy = "the other node must send the keys of its newest identity record; ask its operator"


class NotAuthentic(PeerViolation):
    """Sealed bytes were changed, reordered, or sealed under another key."""

    code = "not_authentic"
    remedy = "open a fresh link; if this repeats, something between the nodes changes their bytes"


class KeySpent(Unavailable):
    """A key has sealed or opened as many messages as its counter nonce allows."""

    code = "key_spent"
    remedy = "open a fresh link: a new handshake makes new keys"


class PassphraseRequired(UsageError):
    """A secret that must be, or is, sealed was used without a passphrase."""

    code = "passphrase_required"
    remedy = "give the passphrase of this key"


class WrongPassphrase(UsageError):
    """The passphrase does not open the secret (or the sealed bytes were changed: nobody can tell which)."""

    code = "wrong_passphrase"
    http_status = 403
    remedy = "type the passphrase again; if it is surely right, bring the key file back from a backup"


class DamagedSecret(UsageError):
    """The bytes are not a sealed secret, or ask for more work than foedus ever seals with."""

    code = "damaged_secret"
    remedy = "bring the key file back from a backup"


class BadRecoveryWords(UsageError):
    """The text is not 24 recovery words with a right checksum."""

    code = "bad_recovery_words"
    remedy = "type the 24 words that `foedus init` showed, in their order, with spaces between"


class SelfTestFailed(Unavailable):
    """A primitive of this installation does not give its published answer."""

    code = "self_test_failed"
    http_status = 500
    remedy = "sign nothing with this installation; reinstall foedus and its libraries, then run `foedus key self-test`"
