"""The fixtures of the specification (tag 1.0.0) and of iso-ucan (tag 1.0.0-rc.1)."""

from __future__ import annotations

import base64

import pytest

from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.ucan import (
    check_invocation,
    cid_text,
    issue_delegation,
    matches,
    parse_delegation,
    parse_invocation,
)
from foedus.identity.ucan.errors import UcanRefused
from tests.vectors import load_vectors

FOLDERS = ["ucan-1.0", "ucan-iso"]
INVOCATIONS = {"valid": 7, "invalid": 13}


def bytes_of(text):
    return base64.b64decode(text + "=" * (-len(text) % 4))


def check(case):
    """Judge a case as another node's claim would be, but for powerlines, which the specification allows."""
    invocation = parse_invocation(bytes_of(case["invocation"]["/"]["bytes"]))
    proofs = [parse_delegation(bytes_of(proof["/"]["bytes"])) for proof in case["proofs"]]
    held = {proof.cid: proof for proof in proofs}
    check_invocation(invocation, proof=held.get, now_s=case["time"], revoked=lambda _cid: False, foreign=False)


@pytest.mark.parametrize("folder", FOLDERS)
def test_valid_invocations_are_allowed(folder):
    cases = load_vectors(f"{folder}/invocation.json")["valid"]
    assert len(cases) == INVOCATIONS["valid"]
    for case in cases:
        check(case)


@pytest.mark.parametrize("folder", FOLDERS)
def test_invalid_invocations_are_refused_by_the_error_that_the_fixture_names(folder):
    cases = load_vectors(f"{folder}/invocation.json")["invalid"]
    raised = {}
    for case in cases:
        with pytest.raises(UcanRefused) as caught:
            check(case)
        raised[case["name"]] = type(caught.value).__name__
    assert raised == {case["name"]: case["error"]["name"] for case in cases}
    assert len(raised) == INVOCATIONS["invalid"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_delegations_are_read_field_by_field(folder):
    for case in load_vectors(f"{folder}/delegation.json")["valid"]:
        delegation = parse_delegation(bytes_of(case["token"]))
        payload = case["envelope"]["payload"]
        assert cid_text(delegation.cid) == case["cid"]
        assert base64.b64encode(delegation.nonce).decode() == payload["nonce"]
        assert (delegation.issuer, delegation.audience, delegation.subject) == (
            payload["iss"],
            payload["aud"],
            payload["sub"],
        )
        assert (delegation.command, delegation.policy.plain, delegation.expires) == (
            payload["cmd"],
            payload["pol"],
            payload["exp"],
        )


def test_what_we_write_is_byte_for_byte_what_the_specification_wrote():
    fixtures = load_vectors("ucan-1.0/delegation.json")
    case = fixtures["valid"][0]
    payload = case["envelope"]["payload"]
    bob = Ed25519Key(bytes_of(fixtures["principals"]["bob"])[2:])
    written = issue_delegation(
        bob,
        audience=payload["aud"],
        subject=payload["sub"],
        command=payload["cmd"],
        policy=payload["pol"],
        nonce=bytes_of(payload["nonce"]),
        expires=payload["exp"],
    )
    assert written == bytes_of(case["token"])


def policies(kind):
    for case in load_vectors("ucan-1.0/policy.json")[kind]:
        for policy in case["policies"]:
            yield policy, case["args"]


def test_policies_that_match():
    cases = list(policies("valid"))
    assert [policy for policy, arguments in cases if not matches(policy, arguments)] == []
    assert len(cases) == 17


def test_policies_that_do_not_match():
    cases = list(policies("invalid"))
    assert [policy for policy, arguments in cases if matches(policy, arguments)] == []
    assert len(cases) == 8
