"""Five people with keys, and delegations between them."""

from __future__ import annotations

from itertools import count

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import check_chain, issue_delegation, parse_delegation

KEYS = [Ed25519Key(sha256(name)) for name in (b"alice", b"bob", b"carol", b"dan", b"erin")]
DIDS = [did_of(key.public) for key in KEYS]
ALICE, BOB, CAROL, DAN, ERIN = range(5)
NOW = 1_800_000_000

_numbers = count()


def nonce():
    return next(_numbers).to_bytes(12, "big")


def grant(issuer, audience, command="/msg", **changes):
    """Return the bytes of a delegation of what is Alice's, with the named fields changed."""
    fields = {"subject": DIDS[ALICE], "policy": [], "nonce": nonce(), "expires": NOW + 60} | changes
    return issue_delegation(KEYS[issuer], audience=DIDS[audience], command=command, **fields)


def link(issuer, audience, command="/msg", **changes):
    return parse_delegation(grant(issuer, audience, command, **changes))


def claim(proofs, issuer, command="/msg/send", **changes):
    """Check the claim of ``issuer`` to what is Alice's, as of another node."""
    rest = {"subject": DIDS[ALICE], "arguments": {}, "now_s": NOW, "revoked": lambda _cid: False} | changes
    check_chain(proofs, issuer=DIDS[issuer], command=command, **rest)
