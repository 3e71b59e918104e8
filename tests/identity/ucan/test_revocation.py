from __future__ import annotations

import pytest

from foedus.identity.did import did_of
from foedus.identity.ucan import issue_invocation, issue_revocation, parse_invocation, parse_revocation, revokes
from foedus.identity.ucan.errors import InvalidSignature, MalformedUcan
from foedus.identity.ucan.ipld import Link, cid_of
from tests.identity.ucan.principals import ALICE, BOB, CAROL, DAN, DIDS, KEYS, NOW, link

CHAIN = [link(ALICE, BOB), link(BOB, CAROL), link(CAROL, DAN)]


def revocation(who, position, **changes):
    return parse_revocation(issue_revocation(KEYS[who], revoked=CHAIN[position].cid, nonce=b"", **changes))


def test_a_revocation_is_an_invocation_in_the_name_of_the_revoker():
    path = [proof.cid for proof in CHAIN[:2]]
    data = issue_revocation(KEYS[BOB], revoked=CHAIN[1].cid, nonce=b"n", path=path)
    parsed = parse_revocation(data)
    assert (parsed.issuer, parsed.revoked, parsed.path) == (DIDS[BOB], CHAIN[1].cid, tuple(path))
    assert (parsed.data, parsed.cid, parsed.nonce) == (data, cid_of(data), b"n")
    invocation = parse_invocation(data)
    assert (invocation.command, invocation.subject) == ("/ucan/revoke", DIDS[BOB])


@pytest.mark.parametrize(("who", "positions"), [(ALICE, [0, 1, 2]), (BOB, [1, 2]), (CAROL, [2]), (DAN, [])])
def test_whoever_issued_a_link_or_one_above_it_revokes_it(who, positions):
    assert [at for at in range(3) if revokes(revocation(who, at), CHAIN)] == positions


def test_a_chain_without_the_revoked_link_stays():
    assert not revokes(revocation(ALICE, 2), CHAIN[:2])


def other(**changes):
    """Issue Bob's invocation of the revocation, with something changed."""
    fields = {
        "subject": did_of(KEYS[BOB].public),
        "command": "/ucan/revoke",
        "arguments": {"revoke": Link(CHAIN[1].cid)},
        "proofs": [],
        "nonce": b"",
        "expires": None,
    }
    return issue_invocation(KEYS[BOB], **fields | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"command": "/ucan"},
        {"subject": DIDS[ALICE]},
        {"proofs": [CHAIN[0].cid]},
        {"expires": NOW},  # a revocation is for ever
        {"arguments": {}},
        {"arguments": {"revoke": CHAIN[1].cid}},
        {"arguments": {"revoke": Link(CHAIN[1].cid), "path": None}},
        {"arguments": {"revoke": Link(CHAIN[1].cid), "more": 1}},
    ],
)
def test_other_invocations_are_no_revocations(changes):
    parse_revocation(other())
    with pytest.raises(MalformedUcan):
        parse_revocation(other(**changes))


def test_a_forged_revocation_is_refused():
    data = bytearray(other())
    data[10] ^= 1
    with pytest.raises(InvalidSignature):
        parse_revocation(bytes(data))
    assert parse_revocation(bytes(data), verify=False).signature_check[2] == bytes(data[3:67])
