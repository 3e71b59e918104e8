"""Roles in rooms: what a membership lets its members do, at every place of their chains, whatever came first."""

from __future__ import annotations

import pytest

from foedus.log import roles
from foedus.log.roles import LEAST, NAMES, OWNER, default_role, may, may_moderate, name_of, right_for
from tests.log.builder import World
from tests.log.delivery import Receiver

ACCEPTED, ROLE = ("accepted", ""), ("rejected", "role")


class Scene:
    """A host with a room, and a node with a human and an agent; all of that node are members."""

    def __init__(self):
        self.world = World("roles", signed=False)
        self.host, self.anna = self.world.node("host"), self.world.node("anna")
        self.ann = self.anna.participant("ann")
        self.room = self.host.room()
        self.own = self.room.add(self.host)
        self.add = self.room.add(self.anna)

    def here(self):
        return [self.anna.cut(self.room.stream)]

    def verdicts(self, *said, order=None):
        receiver = Receiver(self.world.records())
        receiver.take_all(order or self.world.events)
        found = receiver.verdicts()
        return [found[each.id] for each in said]


@pytest.fixture
def scene():
    return Scene()


@pytest.mark.parametrize(("role", "verdict"), [(50, ROLE), (299, ROLE), (300, ACCEPTED), (998, ACCEPTED)])
def test_who_may_speak_speaks(scene, role, verdict):
    add = scene.room.add(scene.anna, scene.ann, role=role)
    assert scene.verdicts(scene.room.say(scene.ann, add)) == [verdict]


def test_the_last_role_counts_whichever_membership_is_cited(scene):
    scene.room.add(scene.anna, scene.ann, role=50)
    assert scene.verdicts(scene.room.say(scene.ann, scene.add)) == [ROLE]
    scene.room.add(scene.anna, scene.ann, heads=scene.here(), role=400)
    assert scene.verdicts(scene.room.say(scene.ann, scene.add)) == [ACCEPTED]


def test_a_role_begins_at_the_named_heads_and_takes_nothing_back(scene):
    before = scene.room.say(scene.ann, scene.add)
    lower = scene.room.add(scene.anna, scene.ann, heads=scene.here(), role=50)
    after = scene.room.say(scene.ann, scene.add)
    assert scene.verdicts(before, after) == [ACCEPTED, ROLE]
    late = [event for event in scene.world.events if event is not lower]
    assert scene.verdicts(before, after, order=[*late, lower]) == [ACCEPTED, ROLE]


def test_a_role_that_begins_further_on_is_not_passed_over(scene):
    first = scene.room.say(scene.ann, scene.add)
    scene.room.add(scene.anna, scene.ann, heads=[[scene.anna.chain_id(scene.room.stream), 2, bytes(32)]], role=50)
    rest = [scene.room.say(scene.ann, scene.add) for _ in range(2)]
    assert scene.verdicts(first, *rest) == [ACCEPTED, ACCEPTED, ROLE]


def test_a_spectator_may_leave_and_still_not_speak(scene):
    scene.room.add(scene.anna, role=50)
    leave = scene.anna.write(scene.room.stream, "room.leave", {}, auth=(scene.add.id,))
    said = scene.room.say_as_node(scene.anna, scene.add)
    assert scene.verdicts(leave, said) == [ACCEPTED, ROLE]


def test_the_role_of_one_person_says_nothing_of_the_node(scene):
    scene.room.add(scene.anna, scene.ann, role=50)
    assert scene.verdicts(scene.room.say_as_node(scene.anna, scene.add)) == [ACCEPTED]


def test_the_host_owns_its_room_whatever_it_gave_itself(scene):
    scene.room.add(scene.host, role=50)
    assert scene.verdicts(scene.room.say_as_node(scene.host, scene.own)) == [ACCEPTED]


def test_owner_is_not_given(scene):
    add = scene.room.add(scene.anna, scene.ann, role=OWNER)
    assert scene.verdicts(add) == [("rejected", "malformed_event")]


def test_a_removed_role_leaves_the_one_before(scene):
    scene.room.add(scene.anna, scene.ann, role=50)
    scene.room.remove(scene.anna, scene.ann, scene.here() if scene.anna.head(scene.room.stream) else None)
    assert scene.verdicts(scene.room.say(scene.ann, scene.add)) == [ACCEPTED]


@pytest.mark.parametrize(("role", "verdict"), [(400, ROLE), (699, ROLE), (700, ACCEPTED)])
def test_moderators_erase_what_others_said_and_nobody_retains_but_the_host(scene, role, verdict):
    said = scene.room.say_as_node(scene.host, scene.own)
    add = scene.room.add(scene.anna, scene.ann, role=role)
    erase = scene.room.erase(scene.ann.devices[0], add, [said.id], "moderator")
    retain = scene.room.erase(scene.ann.devices[0], add, [said.id], "retention")
    assert scene.verdicts(erase, retain) == [verdict, ROLE]


# --- the table -----------------------------------------------------------------------------------


def test_the_rights_grow_with_the_role():
    ordered = ["read", "speak", "moderate", "invite", "own"]
    assert [LEAST[right] for right in ordered] == sorted(LEAST.values())
    for role in (1, *sorted(NAMES)):
        rights = [may(role, right) for right in ordered]
        assert rights == sorted(rights, reverse=True)


def test_each_named_role_has_its_rights():
    held = {name: [right for right in LEAST if may(role, right)] for role, name in NAMES.items()}
    assert held == {
        "owner": ["read", "speak", "moderate", "invite", "own"],
        "admin": ["read", "speak", "moderate", "invite"],
        "moderator": ["read", "speak", "moderate"],
        "super agent": ["read", "speak"],
        "member": ["read", "speak"],
        "agent": ["read", "speak"],
        "spectator": ["read"],
    }
    assert [role for role in (699, 700) if may_moderate(role)] == [700]


def test_roles_without_a_name_are_called_by_their_number_or_as_the_host_says():
    assert (name_of(700), name_of(123), name_of(123, "guest")) == ("moderator", "role 123", "guest")
    assert (default_role("agent"), default_role("human"), default_role(None)) == (roles.AGENT, roles.MEMBER, 400)
    assert (right_for("message.text"), right_for("room.leave"), right_for("x.y")) == ("speak", "read", "speak")
