"""A person's yes on the command line: their device signs what was shown, and no more than what was asked for."""

import time

import pytest
from msgspec.structs import replace

from foedus.adapters.device_folder import DeviceFolder
from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode
from foedus.base.limits import DAY, MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.sealed import LEAST
from foedus.identity.did import did_of
from foedus.identity.ucan import cid_text, parse_delegation, parse_revocation
from foedus.values.node import DeviceView
from tests.surfaces.cli.samples import BANK, CONNECTED, EVENT, GENERAL, OWN, PLACED, ROBOT, ROOM
from tests.surfaces.cli.test_consent import GRANT, WAITING

KEY = Ed25519Key(b"\x07" * 32)
ADA = did_of(KEY.public)
AGENT_KEY = Ed25519Key(b"\x08" * 32)
AGENT = did_of(AGENT_KEY.public)
GIVEN = replace(GRANT, id=EVENT, issuer=replace(GRANT.issuer, did=ADA, participant=ADA))
ASKED = replace(WAITING, agent=replace(WAITING.agent, did=AGENT))
ALLOW = ("POST", f"/approvals/{ASKED.id}/allow")
ACTS = ("POST", f"/participants/{ADA}/acts")


@pytest.fixture
def ada(node, tmp_path, monkeypatch):
    """A node whose only person is ada, with her sealed key in this device's folder."""
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "open the harbour")
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    folder.add("ada", ADA, bytes.fromhex(OWN), "human", KEY.seed, "open the harbour")
    device = DeviceView(key=KEY.public.hex(), name="laptop", enrolment=EVENT, revoked=False)
    person = replace(ROBOT, did=ADA, name="ada", kind="human", custody="device", devices=[device])
    key = DeviceView(key=AGENT_KEY.public.hex(), name="", enrolment="ab" * 32, revoked=False)
    node.on("GET", "/participants", [person, replace(ROBOT, did=AGENT, devices=[key])])
    node.on("GET", f"/approvals/{ASKED.id}", ASKED).on(*ALLOW, replace(ASKED, state="done", event=EVENT))
    node.on(*ACTS, (201, PLACED))
    return node


def signed(sent):
    """Return the delegation in what was sent, which ada's device signed."""
    token = parse_delegation(decode(from_base64url(sent["body"]))["ucan"])
    assert (token.issuer, token.subject, token.audience) == (ADA, ADA, AGENT)
    return token


def lasts(token, about):
    """Whether a token ends about then: the command ran within the last minutes."""
    end = time.time_ns() // 1_000 + about
    return end - 5 * MINUTE <= token.expires * SECOND <= end


def test_what_is_allowed_once_is_shown_whole_and_signed_for_that_act_alone(foedus, ada):
    ran = foedus("approval", "allow", ASKED.id)
    assert ran.code == 2, "where nobody can answer, nothing is allowed"
    assert ada.bodies(*ALLOW) == []
    for part in (AGENT, BANK[:12], ROOM[:12], ASKED.digest, "hello", "until", "grant.human_required"):
        assert part in ran.out
    ran = foedus("approval", "allow", ASKED.id, "--yes")
    assert f"done: event {EVENT}" in ran.out
    (sent,) = ada.bodies(*ALLOW)
    token = signed(sent)
    assert sent["did"] == ADA
    assert token.command == "/foedus/room/speak"
    assert sorted(token.policy.plain) == [["==", ".digest", ASKED.digest], ["==", ".room", ROOM]]
    assert lasts(token, 10 * MINUTE)


def test_allowed_always_is_for_the_place_and_within_the_limits_that_were_said(foedus, ada):
    limits = ("--always", "--expires", "7d", "--uses", "12", "--after-foreign")
    assert foedus("approval", "allow", ASKED.id, "--yes", *limits).code == 0
    token = signed(ada.bodies(*ALLOW)[0])
    assert token.policy.plain == [["==", ".room", ROOM]]
    assert token.meta == {"uses_per_hour": 12, "after_foreign": True}
    assert lasts(token, 7 * DAY)


def test_a_no_is_sent_with_its_reason(foedus, ada):
    deny = ("POST", f"/approvals/{ASKED.id}/deny")
    ada.on(*deny, replace(ASKED, state="denied", reason="not today"))
    assert foedus("approval", "deny", ASKED.id, "--reason", "not today", "--as", "ada").out.strip() == (
        "denied: not today"
    )
    assert ada.bodies(*deny) == [{"did": ADA, "reason": "not today"}]


def test_a_standing_grant_names_rooms_peers_uses_and_its_end(foedus, ada):
    ada.on("GET", "/peers", [CONNECTED]).on("GET", f"/rooms/{ROOM}", GENERAL).on("GET", f"/grants/{EVENT}", GIVEN)
    ran = foedus("grant", "create", AGENT, "--room", ROOM, "--peer", BANK, "--uses", "60", "--expires", "30d", "--json")
    assert ran.code == 0, ran.out + ran.err
    token = signed(ada.bodies(*ACTS)[0])
    assert sorted(token.policy.plain) == [["==", ".host", BANK], ["==", ".room", ROOM]]
    assert token.meta == {"uses_per_hour": 60}
    assert lasts(token, 30 * DAY)


def test_a_grant_is_taken_back_with_the_cuts_that_the_node_names(foedus, ada):
    cid = cid_text(b"\x01\x71\x12\x20" + b"\x0c" * 32)
    ada.on("GET", "/grants/bafy", replace(GIVEN, cid=cid))
    ada.on("GET", f"/grants/{EVENT}/cuts", [["55" * 32, 7, "66" * 32]])
    ran = foedus("grant", "revoke", "bafy", "--yes")
    assert ran.code == 0, ran.out + ran.err
    (sent,) = ada.bodies(*ACTS)
    body = decode(from_base64url(sent["body"]))
    revoked = parse_revocation(body["ucan"])
    assert (revoked.issuer, cid_text(revoked.revoked)) == (ADA, cid)
    assert body["cuts"] == [[b"\x55" * 32, 7, b"\x66" * 32]]
