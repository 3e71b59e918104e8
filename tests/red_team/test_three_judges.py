"""Who (DID), may (UCAN), vouched (credential): each is judged by itself. One is forged at a time; two hold."""

import json
import secrets

import pytest

from foedus.base.errors import FoedusError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials.document import to_text
from foedus.identity.credentials.issuing import Claim, Question, issue, present
from foedus.identity.did import did_of
from foedus.identity.ucan import issue_delegation
from foedus.node.credential_forms import VerifyRequest
from foedus.trust.agreements.document import Signer
from foedus.trust.agreements.terms import SideTerms, Terms
from foedus.trust.border import SPEAK
from tests.hostile.evil import now
from tests.node.nodes import street
from tests.red_team.ending import counted, ends
from tests.red_team.stage import stage

SIGNATURE = 8
"""A byte of the signature, which comes first in the token."""
GUILD = Ed25519Key(bytes([7]) * 32)


@pytest.fixture
async def scene(tmp_path):
    """A lying node's agent speaks for grace, whom the victim takes for a signer, and whom the guild vouches for."""
    async with street(tmp_path) as nodes:
        victim = await nodes.add("victim")
        await victim.service.credential_trust(did_of(GUILD.public), "Engineer")
        async with stage(victim) as it:
            yield it


async def name_signer(scene, human):
    await scene.agree(Terms(theirs=SideTerms(signers=[Signer(human.did)])))


def delegated(human, agent):
    return issue_delegation(
        human.key,
        audience=agent.did,
        subject=human.did,
        command=SPEAK,
        policy=[],
        nonce=secrets.token_bytes(12),
        expires=None,
    )


def credential(subject, issuer=GUILD):
    claim = {
        "id": "urn:uuid:1",
        "type": "Engineer",
        "subject": subject,
        "claims": {"since": 2019},
        "valid_from": now() - 1_000_000,
        "valid_until": now() + 60_000_000,
        "status": None,
    }
    return issue(Claim(**claim), issuer)


async def vouched(scene, puppet, document):
    """Present a credential to the victim with the puppet's key; return the code by which it is refused, or ''."""
    asked = scene.victim.service.credential_challenge()
    shown = present([document], Question(asked.challenge, asked.domain), now(), puppet.key)
    try:
        proved = await scene.victim.service.credential_verify(VerifyRequest(document=to_text(shown)))
    except FoedusError as error:
        return error.code if error.remedy else "no remedy"
    assert proved.holder == puppet.did
    return ""


async def test_all_three_hold(scene):
    grace, scout = await scene.enrol("grace", "human", "device"), await scene.enrol("scout")
    await name_signer(scene, grace)
    await scene.says("well met", scout, [await scene.give(grace, scout)])
    assert scene.victim.texts() == ["well met"]
    assert await vouched(scene, scout, credential(scout.did)) == ""


async def test_a_forged_did_with_a_valid_grant_and_credential(scene):
    grace, scout = await scene.enrol("grace", "human", "device"), await scene.enrol("scout")
    await name_signer(scene, grace)
    grant = await scene.give(grace, scout)
    other = await scene.enrol("other")
    event = await scene.says("I am scout", scout, [grant], author=other.did)
    await ends(scene.victim, "unknown_device", "rejected", scene.evil.id, event)
    await scene.says("now as myself", scout, [grant])
    assert scene.victim.texts() == [None, "now as myself"], "the grant holds"
    assert await vouched(scene, scout, credential(scout.did)) == "", "the credential holds"


async def test_a_forged_grant_with_a_valid_did_and_credential(scene):
    grace, scout = await scene.enrol("grace", "human", "device"), await scene.enrol("scout")
    await name_signer(scene, grace)
    ucan = bytearray(delegated(grace, scout))
    ucan[SIGNATURE] ^= 1
    grant = await scene.give(grace, scout, ucan=bytes(ucan))
    event = await scene.says("she lets me", scout, [grant])
    await ends(scene.victim, "invalid_grant", "rejected", scene.evil.id, event)
    assert scene.held(scout.enrolment).reason == "", "the enrolment holds"
    assert await vouched(scene, scout, credential(scout.did)) == "", "the credential holds"


async def test_a_forged_credential_with_a_valid_did_and_grant(scene):
    grace, scout = await scene.enrol("grace", "human", "device"), await scene.enrol("scout")
    await name_signer(scene, grace)
    grant = await scene.give(grace, scout)
    document = credential(scout.did)
    claims = json.loads(json.dumps(document).replace("2019", "1999"))
    refused = await vouched(scene, scout, claims)
    assert refused == "bad_proof"
    await counted(scene.victim, "bad_proof")
    stranger = credential(scout.did, Ed25519Key(secrets.token_bytes(32)))
    assert await vouched(scene, scout, stranger) == "issuer_not_believed"
    await counted(scene.victim, "issuer_not_believed")
    await scene.says("I may speak", scout, [grant])
    assert scene.victim.texts() == ["I may speak"], "who, and may, hold"
