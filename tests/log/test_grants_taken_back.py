"""What an act that cites a grant is worth once somebody takes back the grant, or loses the device that signed it."""

import pytest

from tests.log.builder import World
from tests.log.delivery import Receiver

ACCEPTED = ("accepted", "")
REVOKED = ("rejected", "revoked_grant")


class Scene:
    """Ada has two devices, and grants by the second to the device of an agent; bea is another person there."""

    def __init__(self):
        self.world = World("taken back", signed=False)
        self.node = self.world.node("node")
        self.ada, self.bea = (self.node.participant(name, "human") for name in ("ada", "bea"))
        self.laptop = self.ada.device()
        self.bot = self.node.participant("bot")
        self.room = self.world.node("host").room()
        self.seat = self.room.add(self.node)
        self.grant = self.ada.grant(self.bot.devices[0], by=self.laptop)

    def say(self):
        auth = (self.bot.devices[0].enrolment, self.seat.id, self.grant.id)
        return self.room.say(self.bot, self.seat, auth=auth)

    def around(self, take_back):
        """Let the bot speak, something be taken back that names where the room's chain stood, and speak again."""
        before = self.say()
        withdrawal = take_back([self.node.cut(self.room.stream)])
        return before, withdrawal, self.say()

    def verdicts(self, events):
        receiver = Receiver(self.world.records())
        receiver.take_all(events)
        return receiver.verdicts()


@pytest.fixture
def scene():
    return Scene()


def assert_cut(scene, before, withdrawal, beyond):
    rest = [event for event in scene.world.events if event.id not in {before.id, withdrawal.id, beyond.id}]
    for order in ([withdrawal, before, beyond], [before, withdrawal, beyond], [before, beyond, withdrawal]):
        found = scene.verdicts([*rest, *order])
        assert (found[before.id], found[beyond.id]) == (ACCEPTED, REVOKED), [event.event.act.kind for event in order]


def test_a_grant_of_a_lost_device_carries_nothing_beyond_the_cut_of_its_revocation(scene):
    assert_cut(scene, *scene.around(lambda cuts: scene.ada.revoke(scene.laptop, cuts)))


def test_a_grant_that_another_device_of_its_issuer_takes_back(scene):
    assert_cut(scene, *scene.around(lambda cuts: scene.ada.withdraw(scene.grant, cuts, by=scene.ada.devices[0])))


def test_who_gave_nothing_takes_nothing_back(scene):
    before, withdrawal, beyond = scene.around(lambda cuts: scene.bea.withdraw(scene.grant, cuts))
    found = scene.verdicts(scene.world.events)
    assert [found[event.id] for event in (before, withdrawal, beyond)] == [ACCEPTED] * 3
