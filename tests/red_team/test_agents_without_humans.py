"""A company's node lets its agents loose in another's room. Its own checks are off: what holds is the other node's.

Each story ends refused at the other side, counted and audited there, and explained by a clause.
"""

import pytest
from msgspec.structs import replace

from foedus.base.errors import FoedusError
from foedus.identity.did import did_of
from foedus.identity.ucan import issue_delegation
from foedus.log import streams
from foedus.surfaces.cli.delegating import Scope, grant, grant_draft
from foedus.trust.border import SPEAK
from tests.node.border import border_of
from tests.node.nodes import until
from tests.node.people import enrol
from tests.red_team.ending import ends


@pytest.fixture
async def unbridled(tmp_path):
    """Node a hosts a room. Node b asks nobody: its agents say what they want, citing what they are told to cite."""
    async with border_of(tmp_path) as (_, a, b, ada, scout):
        cited = []
        consent = b.node.consent

        def cite(drafts):
            return [
                draft
                if draft.asig is not None
                else draft._replace(act=_citing(draft.act, [bytes.fromhex(each) for each in cited]))
                for draft in drafts
            ]

        consent.cite = cite
        yield a, b, ada, scout, cited


def _citing(act, grants):
    return replace(act, auth=(*act.auth, *grants))


async def arrives(node, count=1):
    await until(lambda: len(node.service.messages("plans").messages) == count, "it arrives")
    return node.service.messages("plans").messages[-1]


async def held_back(a, b, clause):
    await b.say("secret plans", "scout")
    message = await arrives(a)
    assert (message.verified, message.why_not, message.text) == (False, clause, None)
    await ends(a, clause, "withheld", b.id, message.id)


async def test_an_agent_without_a_human(unbridled):
    a, b, *_ = unbridled
    await held_back(a, b, "grant.human_required")


async def test_a_grant_that_never_comes(unbridled):
    a, b, _, _, cited = unbridled
    cited.append("ab" * 32)
    b.node.author._check_authority = lambda *_: None
    await b.say("it is on its way, believe me", "scout")
    message = await arrives(a)
    assert (message.verified, message.text) == (False, None)
    await ends(a, "auth", "pending", b.id, message.id)


async def test_a_human_whom_the_agreement_does_not_name(unbridled):
    a, b, _, scout, cited = unbridled
    mallory = await enrol(b, "mallory")
    cited.append(await mallory.give(scout))
    await held_back(a, b, "grant.signer")


async def test_an_agent_that_grants_to_itself(unbridled):
    a, b, _, scout, cited = unbridled
    rover = await enrol(b, "rover", "agent")
    cited.append(await rover.give(scout))
    await held_back(a, b, "grant.human_required")


async def test_a_grant_for_another_agent(unbridled):
    a, b, ada, _, cited = unbridled
    rover = await enrol(b, "rover", "agent")
    cited.append(await ada.give(rover.did))
    await held_back(a, b, "grant.human_required")


async def test_a_widened_delegation(unbridled):
    a, b, ada, scout, cited = unbridled
    chief = await enrol(b, "chief", "agent")
    narrow = Scope(SPEAK, rooms=["00" * 32])
    cited.append(await ada.give(chief.did, narrow))
    ucan = chief_token(chief, scout, ada)
    placed = await b.service.participant_act(chief.did, chief.sign(grant_draft(chief.did, chief.enrolment, ucan)))
    cited.append(placed.id)
    await held_back(a, b, "grant.policy_mismatch")


def chief_token(chief, scout, ada):
    return issue_delegation(
        chief.key,
        audience=scout,
        subject=did_of(ada.key.public),
        command=SPEAK,
        policy=[],
        nonce=b"n" * 12,
        expires=None,
    )


async def test_the_command_that_only_looks_alike(unbridled):
    a, b, ada, scout, cited = unbridled
    cited.append(await ada.give(scout, Scope("/foedus/room/speakers")))
    await held_back(a, b, "grant.invalid_command")


async def test_one_approval_for_many_acts(unbridled):
    a, b, ada, scout, cited = unbridled
    cited.append(await ada.give(scout, Scope(SPEAK, digest="ab" * 32)))
    await held_back(a, b, "grant.policy_mismatch")


async def test_more_uses_than_were_granted(unbridled):
    a, b, ada, scout, cited = unbridled
    cited.append(await ada.give(scout, Scope(SPEAK, uses=1)))
    await b.say("one", "scout")
    await b.say("two", "scout")
    second = await arrives(a, 2)
    assert second.why_not == "grant.uses"
    assert [view.text for view in a.service.messages("plans").messages] == ["one", None]
    await ends(a, "grant.uses", "withheld", b.id, second.id)


async def test_an_expired_grant_is_rejected_everywhere(unbridled):
    a, b, ada, scout, cited = unbridled
    ucan = grant(ada.key, scout, Scope(SPEAK, lasts=1_000_000), 1_000_000_000_000_000, b"n" * 16)
    placed = await b.service.participant_act(ada.did, ada.sign(grant_draft(ada.did, ada.enrolment, ucan)))
    cited.append(placed.id)
    b.node.author._check_authority = lambda *_: None
    await b.say("late", "scout")
    message = await arrives(a)
    assert (message.why_not, message.text) == ("expired_grant", None)
    await ends(a, "expired_grant", "rejected", b.id, message.id)


async def test_a_revoked_grant_used_with_an_old_clock(unbridled):
    a, b, ada, scout, cited = unbridled
    held = await ada.give(scout)
    cited.append(held)
    await b.say("in time", "scout")
    await arrives(a)
    revoked_at = b.node.store.now()
    await ada.take_back(held)
    b.node.author._check_authority = lambda *_: None
    b.node.store.now = lambda: revoked_at
    await b.say("as if before", "scout")
    message = await arrives(a, 2)
    assert (message.why_not, message.text) == ("revoked_grant", None)
    assert message.at <= revoked_at
    await ends(a, "revoked_grant", "rejected", b.id, message.id)


async def test_a_custodial_key_cannot_pose_as_a_human(unbridled):
    a, b, _, scout, cited = unbridled
    impostor = await enrol(b, "impostor", "agent")
    body = {
        "did": impostor.did,
        "node": bytes.fromhex(b.id),
        "kind": "human",
        "name": "ada",
        "custody": "node",
        "device": impostor.key.public,
        "possession": None,
        "recovery": None,
    }
    stream = streams.participant(impostor.did)
    act = impostor.act(stream, "device.enrol", body, (impostor.enrolment,))
    with pytest.raises(FoedusError):
        await b.service.participant_act(impostor.did, act)
    cited.append(await impostor.give(scout))
    await held_back(a, b, "grant.human_required")
