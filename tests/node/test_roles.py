"""Roles in rooms between real nodes: the host gives them, and every member judges by them."""

import pytest

from foedus.base.errors import FoedusError
from foedus.log.roles import may_moderate
from tests.node.nodes import connect, share, street, until
from tests.node.people import enrol


@pytest.fixture
async def room(tmp_path):
    """Node a hosts a room that is shared with b, where ada is; the two are connected."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        await connect(b, a)
        await share(a, b)
        yield it, a, b, ada


def role_at(running, who):
    views = running.service.room("plans").members
    return [(view.role, view.role_name) for view in views if who in {view.participant_name, view.node_name}]


async def test_a_spectator_cannot_speak_until_the_host_says_so(room):
    _, a, b, ada = room
    await ada.say("before")
    await until(lambda: a.texts() == ["before"], "it crosses")
    await a.service.room_role("plans", "ada", 50)
    await until(lambda: role_at(b, "ada") == [(50, "spectator")], "b hears of it")
    with pytest.raises(FoedusError) as refused:
        await ada.say("now")
    assert refused.value.code == "room.role"
    await a.service.room_role("plans", ada.did, 400)
    await until(lambda: role_at(b, "ada") == [(400, "member")], "b hears of it")
    await ada.say("after")
    await until(lambda: a.texts() == ["before", "after"], "it crosses")
    assert all(view.verified for view in a.service.messages("plans").messages), "what was said before stands"


async def test_what_crossed_a_change_of_role_is_rejected_by_both(room):
    _, a, b, ada = room
    await b.service.peer_pause(a.id)
    await ada.say("you cannot stop me")
    await a.service.room_role("plans", "ada", 50)
    await b.service.peer_resume(a.id)
    await until(lambda: len(a.service.messages("plans").messages) == 1, "the message comes")
    for where in (a, b):
        await until(lambda where=where: where.service.messages("plans").messages[0].why_not == "role", "rejected")


async def test_a_moderator_is_one_everywhere_and_a_role_can_have_a_name_of_its_own(room):
    _, a, b, ada = room
    await a.service.room_role("plans", "ada", 700)
    await until(lambda: role_at(b, "ada") == [(700, "moderator")], "b hears of it")
    authority = b.node.store.admission.authority
    await ada.say("I keep order")
    (chain,) = [it for it in authority.chains.of_node(b.node.store.node) if it.kind == "room"]
    for node in (a, b):
        await until(lambda node=node: node.texts() == ["I keep order"], "it crosses")
        seen = node.node.store.admission.authority
        assert may_moderate(seen.role_at(seen.chains.get(chain.key), 1, ada.did))
    await a.service.room_role("plans", "ada", 120, "guest")
    await until(lambda: role_at(b, "ada") == [(120, "guest")], "b hears of it")


async def test_a_peer_shared_as_spectator_reads_and_leaves(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(b, a)
        await a.service.room_create("plans")
        await a.service.room_share("plans", b.id, 50)
        await until(b.service.rooms, "b sees it")
        await a.say("look")
        await until(lambda: b.texts() == ["look"], "b reads")
        with pytest.raises(FoedusError, match="may not speak"):
            await b.say("hello")
        await b.service.room_leave("plans")
        await until(lambda: b.service.room("plans").left, "b is out")


async def test_only_the_host_gives_roles_and_only_to_members(room):
    _, a, b, _ = room
    with pytest.raises(FoedusError) as refused:
        await b.service.room_role("plans", "ada", 900)
    assert refused.value.code == "not_host"
    for who, code in (("nobody", "unknown_member"), (a.id, "not_permitted")):
        with pytest.raises(FoedusError) as refused:
            await a.service.room_role("plans", who, 50)
        assert refused.value.code == code
    assert role_at(a, "a") == [(999, "owner")]
    await a.service.room_role("plans", b.id, 300)
    assert role_at(a, "b") == [(300, "agent")]


async def test_a_participant_who_calls_itself_like_another_member_gets_no_role_in_its_place(room):
    """A participant's own word came before the names of nodes and of people who are not in the room yet."""
    _, a, b, ada = room
    mallory = await enrol(b, "b")
    await until(lambda: known(a, mallory.did), "a knows of it")
    with pytest.raises(FoedusError) as refused:
        await a.service.room_role("plans", "b", 900)
    assert (refused.value.code, mallory.did in str(refused.value)) == ("ambiguous", True)
    await a.service.name_set(b.id, "ada")  # what this node's people call b
    await a.service.room_role("plans", "ada", 120)
    assert (role_at(a, "b"), ada.did) == ([(120, "role 120")], ada.did)


def known(node, did):
    return any(who.did == did for who in node.service.participants())
