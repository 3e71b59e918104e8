"""Forks, the epochs that settle them, and thefts."""

from __future__ import annotations

from random import Random

import pytest

from foedus.base.limits import HOUR
from foedus.log.admission import Admitted, Deferred, Duplicate, Forked, Refused
from foedus.log.evidence import check_proof, decode_proof, encode_proof
from foedus.log.port import Commit
from tests.log.builder import World
from tests.log.delivery import Receiver

ACCEPTED = ("accepted", "")
SUPERSEDED = ("rejected", "superseded")
EQUIVOCATION = ("rejected", "equivocation")
OPENING = ("pending", "opening")


class Scene:
    """Anna's node talks in its own room, and forks: ``trunk`` 1..2, ``one`` and ``other`` from 3 on."""

    def __init__(self, *, signed=False):
        self.world = World("forks", signed=signed)
        self.anna = self.world.node("anna")
        self.room = self.anna.room()
        self.add = self.room.add(self.anna)
        self.start = list(self.world.events)
        self.trunk = [self.say() for _ in range(2)]
        self.one = [self.say() for _ in range(3)]
        self.other = [self.say(after=self.trunk[-1])] + [self.say() for _ in range(4)]
        self.events = self.world.by_id()

    def say(self, **write):
        return self.room.say_as_node(self.anna, self.add, **write)

    def receiver(self, *events):
        receiver = Receiver(self.world.records())
        receiver.take_all([*self.start, *events])
        return receiver

    def settle(self, receiver, *events):
        """Give what is there, and what is asked for, until nothing changes."""
        everything = {parsed.id: parsed for parsed in self.world.events}
        receiver.feed(self.anna.records, [*self.start, *events], everything, Random(1), self.world.now + HOUR)


@pytest.fixture
def scene():
    return Scene()


def verdicts(receiver, events):
    found = receiver.verdicts()
    return [found.get(parsed.id) for parsed in events]


# --- a fork ----------------------------------------------------------------------------------


def test_a_fork_is_kept_as_proof_without_bodies():
    scene = Scene(signed=True)
    receiver = scene.receiver(*scene.trunk, *scene.one)
    outcome = receiver.take(scene.other[0])
    assert isinstance(outcome, Forked)
    (proof,) = receiver.log.proofs()
    assert (proof.epoch, proof.stream, proof.seq) == (scene.anna.epoch, scene.room.stream, 3)
    one, other = decode_proof(encode_proof(proof))
    assert one.id < other.id
    assert (one.envelope.body, other.envelope.body) == (None, None)
    check_proof(one, other, scene.anna.keys.ed25519.public)


def test_a_contested_chain_is_honoured_up_to_its_fork_and_takes_no_more(scene):
    receiver = scene.receiver(*scene.trunk, *scene.one)
    receiver.take(scene.other[0])
    assert verdicts(receiver, scene.trunk) == [ACCEPTED] * 2
    assert verdicts(receiver, scene.one) == [EQUIVOCATION] * 3
    assert receiver.take(scene.say(after=scene.one[-1])) == Refused("equivocation")
    assert isinstance(receiver.take(scene.one[1]), Duplicate)


def test_other_chains_of_the_node_go_on(scene):
    receiver = scene.receiver(*scene.trunk, *scene.one, scene.other[0])
    more = scene.anna.write("node", "node.profile", {"name": "a", "endpoints": []})
    assert isinstance(receiver.take(more), Admitted)
    assert verdicts(receiver, [more]) == [ACCEPTED]


def test_who_learns_of_a_fork_first_still_takes_what_lies_before_it(scene):
    convicted = scene.receiver(*scene.trunk, *scene.one, scene.other[0])
    receiver = scene.receiver()
    for proof in convicted.log.proofs():
        receiver.queue.append(receiver.admission.contest(proof))
    outcomes = receiver.take_all([*scene.trunk, *scene.one])
    assert [type(outcome) for outcome in outcomes] == [Admitted, Admitted, Refused, Refused, Refused]
    assert verdicts(receiver, scene.trunk) == [ACCEPTED] * 2
    assert verdicts(receiver.loaded(), scene.trunk) == [ACCEPTED] * 2
    assert receiver.loaded().take(scene.one[0]) == Refused("equivocation")


def test_the_lowest_fork_counts_whichever_is_seen_first(scene):
    lower = scene.say(after=scene.trunk[0])
    forks = []
    for order in ([scene.other[0], lower], [lower, scene.other[0]]):
        receiver = scene.receiver(*scene.trunk, *scene.one, *order)
        forks.append(receiver.forks())
        assert verdicts(receiver, [*scene.trunk, *scene.one]) == [ACCEPTED] + [EQUIVOCATION] * 4
    assert set(forks[0].values()) == set(forks[1].values()) == {2}


def test_a_higher_proof_adds_nothing(scene):
    receiver = scene.receiver(*scene.trunk, *scene.one, scene.other[0])
    outcome = receiver.take(scene.other[1])
    assert isinstance(outcome, Forked)
    assert not any(outcome.commit)


def test_a_forked_membership_stream_withdraws_what_lies_beyond(scene):
    receiver = scene.receiver(*scene.trunk)
    late = scene.room.add(scene.anna)
    said = scene.room.say_as_node(scene.anna, late, after=scene.trunk[-1])
    fork = scene.anna.write(scene.room.members, "x.other", {}, after=scene.add)
    receiver.take_all([late, said])
    assert verdicts(receiver, [late, said]) == [ACCEPTED] * 2
    receiver.take(fork)
    assert verdicts(receiver, [late, said]) == [EQUIVOCATION, ("rejected", "not_permitted")]
    assert verdicts(receiver, scene.trunk) == [ACCEPTED] * 2


# --- the owner's next epoch chooses ----------------------------------------------------------


def choose(scene, tip):
    scene.anna.rotate("restored")
    return [scene.anna.open(scene.room.members, scene.add), scene.anna.open(scene.room.stream, tip)]


@pytest.mark.parametrize("held_first", ["one", "other"])
@pytest.mark.parametrize("chosen", ["one", "other"])
def test_the_owner_chooses_either_branch_everywhere(scene, held_first, chosen):
    branches = {"one": scene.one, "other": scene.other}
    opening = choose(scene, branches[chosen][-1])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, *scene.trunk, *branches[held_first]])
    receiver.take_all(branches["other" if held_first == "one" else "one"])
    scene.settle(receiver, *opening)
    kept = [*scene.trunk, *branches[chosen], *opening]
    assert verdicts(receiver, kept) == [ACCEPTED] * len(kept)
    rows = receiver.log.chain(scene.trunk[0].event.epoch, scene.room.stream, 0, 100)
    assert [row.id for row in rows] == [parsed.id for parsed in (*scene.trunk, *branches[chosen])]


def test_the_other_branch_is_collected_by_id_from_its_tip_back(scene):
    opening = choose(scene, scene.other[-1])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, opening[0], *scene.trunk, *scene.one, scene.other[0]])
    asked = []
    while isinstance(outcome := receiver.take(opening[1]), Deferred):
        (wanted,) = outcome.want
        asked.append(wanted)
        assert isinstance(receiver.take(scene.events[wanted]), Forked | Refused)  # kept all the same
    assert asked == [parsed.id for parsed in reversed(scene.other)]
    assert [part.from_seq for part in outcome.commit.truncations] == [3]
    assert [entry.id for entry in outcome.commit.entries] == [parsed.id for parsed in (*scene.other, opening[1])]


def test_what_was_set_aside_is_still_found_by_id(scene):
    opening = choose(scene, scene.other[-1])
    receiver = Receiver(scene.anna.records)
    scene.settle(receiver, *scene.trunk, *scene.one, *scene.other, *opening)
    rows = receiver.log.by_ids([parsed.id for parsed in scene.one])
    assert {row.local for row in rows.values()} <= {0}


def test_a_cut_below_the_fork_honours_neither_branch(scene):
    opening = choose(scene, scene.trunk[-1])
    receiver = Receiver(scene.anna.records)
    scene.settle(receiver, *scene.trunk, *scene.one, *scene.other, *opening)
    assert verdicts(receiver, [*scene.trunk, *opening]) == [ACCEPTED] * 4
    assert set(verdicts(receiver, [*scene.one, *scene.other])) <= {SUPERSEDED, None}


def test_an_opening_that_is_forked_itself_decides_nothing(scene):
    """Else each node would honour the cut that it saw first."""
    old = scene.anna.epoch
    scene.anna.rotate()
    up_to_one = scene.anna.open(scene.room.stream, scene.trunk[0])
    up_to_two = scene.anna.open(scene.room.stream, scene.trunk[1])
    found = []
    for order in ([up_to_one, up_to_two], [up_to_two, up_to_one]):
        receiver = Receiver(scene.anna.records)
        receiver.take_all([*scene.start, *scene.trunk, *order])
        found.append(verdicts(receiver, scene.trunk))
        assert receiver.admission.chains.get((old, scene.room.stream)).limit.seq is None
    assert found == [[ACCEPTED] * 2] * 2


def test_a_branch_is_not_taken_up_while_what_it_replaces_is_on_its_way_to_the_disk(scene):
    opening = choose(scene, scene.other[-1])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, opening[0], *scene.trunk])
    for parsed in (*scene.one, scene.other[0]):
        receiver.take(parsed, settle=False)
    while (outcome := receiver.take(opening[1], settle=False)).want:
        receiver.take(scene.events[outcome.want[0]], settle=False)
    assert outcome == Deferred("missing_prev")
    receiver.settle()
    assert isinstance(receiver.take(opening[1]), Admitted)


# --- rotation --------------------------------------------------------------------------------


def test_an_opening_cuts_what_its_node_wrote_after(scene):
    opening = choose(scene, scene.one[0])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, *scene.trunk, *scene.one, *opening])
    assert verdicts(receiver, [*scene.trunk, scene.one[0], opening[1]]) == [ACCEPTED] * 4
    assert verdicts(receiver, scene.one[1:]) == [SUPERSEDED] * 2


def test_an_opening_without_cut_honours_nothing_before(scene):
    opening = choose(scene, None)
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, *scene.trunk, *opening])
    assert verdicts(receiver, scene.trunk) == [SUPERSEDED] * 2


def test_an_opening_waits_for_its_cut(scene):
    opening = choose(scene, scene.trunk[-1])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, scene.trunk[0]])
    assert receiver.take(opening[1]) == Deferred("missing_prev", want=(scene.trunk[1].id,))
    receiver.take(scene.trunk[1])
    assert isinstance(receiver.take(opening[1]), Admitted)


def test_a_rotation_alone_changes_nothing(scene):
    receiver = scene.receiver(*scene.trunk)
    scene.anna.rotate()
    receiver.learn(scene.anna.records[-1])
    assert verdicts(receiver, scene.trunk) == [ACCEPTED] * 2
    assert isinstance(receiver.take(scene.one[0]), Admitted)


# --- recovery --------------------------------------------------------------------------------


class Theft(Scene):
    """A thief has the keys of epoch 0: writes in it, and opens an epoch of its own. The owner recovers."""

    def __init__(self):
        super().__init__()
        self.stolen_in_epoch = self.one
        first = self.anna.epoch
        self.anna.rotate()
        self.thief_opening = self.anna.open(self.room.stream, self.one[-1])
        self.thief_says = self.say()
        self.anna.recover(after=first)
        self.owner_members = self.anna.open(self.room.members, self.add)
        self.owner_opening = self.anna.open(self.room.stream, self.trunk[-1])
        self.owner_says = self.say()
        self.first, self.thief, self.owner = self.anna.records


def test_a_recovery_cuts_the_stolen_epoch_and_voids_its_siblings():
    theft = Theft()
    receiver = Receiver([theft.first, theft.thief])
    receiver.take_all([*theft.start, *theft.trunk, *theft.one, theft.thief_opening, theft.thief_says])
    assert verdicts(receiver, [*theft.one, theft.thief_says]) == [ACCEPTED] * 4
    receiver.learn(theft.owner)
    receiver.settle()
    assert verdicts(receiver, [theft.thief_opening, theft.thief_says]) == [SUPERSEDED] * 2
    assert verdicts(receiver, [*theft.start, *theft.trunk, *theft.one]) == [OPENING] * 7
    receiver.take_all([theft.owner_members, theft.owner_opening, theft.owner_says])
    assert verdicts(receiver, [*theft.start, *theft.trunk, theft.owner_opening, theft.owner_says]) == [ACCEPTED] * 6
    assert verdicts(receiver, [*theft.one, theft.thief_opening, theft.thief_says]) == [SUPERSEDED] * 5


def test_an_event_of_a_new_stream_in_the_stolen_epoch_waits_for_the_owner():
    theft = Theft()
    receiver = Receiver(theft.anna.records)
    theft.anna.epoch = theft.first.id
    late = theft.anna.write("node", "node.profile", {"name": "thief", "endpoints": []})
    receiver.take(late)
    assert verdicts(receiver, [late]) == [OPENING]
    theft.anna.epoch = theft.owner.id
    receiver.take(theft.anna.open("node", None))
    assert verdicts(receiver, [late]) == [SUPERSEDED]


def test_a_void_opening_never_chooses_a_branch():
    """The thief's epoch chooses one branch, the owner's the other: the order of arrival does not matter."""
    theft = Theft()
    theft.anna.epoch = theft.first.id
    fork = theft.say(after=theft.trunk[0])
    theft.anna.epoch = theft.thief.id
    thief = theft.anna.open(theft.room.stream, fork)
    receiver = Receiver(theft.anna.records)
    receiver.take_all([*theft.start, *theft.trunk, *theft.one, theft.owner_members, theft.owner_opening, fork, thief])
    assert verdicts(receiver, [*theft.trunk, theft.owner_opening]) == [ACCEPTED] * 3
    assert verdicts(receiver, [thief]) == [SUPERSEDED]


def test_two_rotations_of_one_record_are_followed_neither():
    scene = Scene()
    first = scene.anna.epoch
    scene.anna.rotate(after=first)
    mine = scene.say(after=scene.trunk[-1])
    scene.anna.rotate(after=first)
    thine = scene.say(after=scene.trunk[-1])
    receiver = Receiver(scene.anna.records[:2])
    receiver.take_all([*scene.start, *scene.trunk, mine])
    assert verdicts(receiver, [*scene.trunk, mine]) == [ACCEPTED] * 3
    receiver.learn(scene.anna.records[2])
    receiver.take(thine)
    assert verdicts(receiver, scene.trunk) == [ACCEPTED] * 2
    assert verdicts(receiver, [mine, thine]) == [("pending", "contested")] * 2


def test_a_recovery_settles_two_rotations_and_the_branch_that_they_chose():
    """The opening that comes to count was held before: ``heal`` takes up its branch."""
    scene = Scene()
    first = scene.anna.epoch
    mine = scene.anna.rotate(after=first)
    opening = scene.anna.open(scene.room.stream, scene.other[-1])
    members = scene.anna.open(scene.room.members, scene.add)
    scene.anna.rotate(after=first)
    scene.anna.recover(after=mine)
    again = [scene.anna.open(scene.room.members, members), scene.anna.open(scene.room.stream, opening)]
    receiver = Receiver(scene.anna.records[:3])
    receiver.take_all([*scene.start, *scene.trunk, *scene.one, scene.other[0], members])
    assert receiver.take(opening).want == (scene.other[-1].id,)
    receiver.take(scene.other[-1])
    assert isinstance(receiver.take(opening), Admitted)  # it decides nothing yet, so its branch may wait
    receiver.learn(scene.anna.records[3])
    commit, want = receiver.admission.heal(scene.anna.id)
    assert (any(commit), want) == (False, (scene.other[-2].id,))
    scene.settle(receiver, *again)
    expected = [*scene.trunk, *scene.other, opening, *again]
    assert verdicts(receiver, expected) == [ACCEPTED] * len(expected)


def test_an_opening_that_came_before_its_cut_knows_it_when_it_comes():
    """It waits for a recovery to honour its epoch; meanwhile the chain that it cuts catches up as usual."""
    scene = Scene()
    first = scene.anna.epoch
    mine = scene.anna.rotate(after=first)
    opening = scene.anna.open(scene.room.stream, scene.trunk[-1])
    members = scene.anna.open(scene.room.members, scene.add)
    scene.anna.rotate(after=first)
    scene.anna.recover(after=mine)
    receiver = Receiver(scene.anna.records[:3])
    receiver.take_all([*scene.start, members])
    assert receiver.take(opening).want == (scene.trunk[-1].id,)
    receiver.take(scene.trunk[-1])  # kept, though it follows nothing here
    assert isinstance(receiver.take(opening), Admitted)
    receiver.take_all([*scene.trunk, *scene.one])
    receiver.learn(scene.anna.records[3])
    receiver.take_all([scene.anna.open(scene.room.members, members), scene.anna.open(scene.room.stream, opening)])
    assert verdicts(receiver, [*scene.trunk, opening, *scene.one]) == [ACCEPTED] * 3 + [SUPERSEDED] * 3
    commit, want = receiver.admission.heal(scene.anna.id)
    assert (any(commit), want) == (False, ())


# --- restore ---------------------------------------------------------------------------------


def test_a_node_takes_up_the_branch_that_others_hold_of_its_own_chain(scene):
    """After a restore: its own copy went another way than what peers hold."""
    receiver = scene.receiver(*scene.trunk, *scene.one, *scene.other)
    found = receiver.admission.adopt(scene.other[-1].id)
    while isinstance(found, Deferred):
        receiver.take(scene.events[found.want[0]])
        found = receiver.admission.adopt(scene.other[-1].id)
    assert isinstance(found, Commit)
    receiver.queue.append(found)
    receiver.settle()
    assert receiver.admission.chains.get((scene.anna.epoch, scene.room.stream)).id == scene.other[-1].id
    assert receiver.admission.adopt(scene.other[-1].id) == Commit()
    opening = choose(scene, scene.other[-1])
    receiver.learn(scene.anna.records[-1])
    receiver.take_all(opening)
    assert verdicts(receiver, [*scene.trunk, *scene.other, *opening]) == [ACCEPTED] * 9


def test_a_taken_branch_frees_the_nonces_of_the_other():
    scene = Scene()
    who = scene.anna.participant("ann")
    add = scene.room.add(scene.anna)
    base = scene.anna.head(scene.room.stream)
    one = scene.room.say(who, add, nonce=b"n" * 16)
    other = [scene.room.say(who, add, nonce=b"n" * 16, after=base), scene.say()]
    opening = [
        scene.anna.rotate(),
        scene.anna.open(scene.room.members, add),
        scene.anna.open(scene.room.stream, other[-1]),
    ][1:]
    opening.append(scene.anna.open(who.stream, who.first))
    receiver = Receiver(scene.anna.records)
    scene.settle(receiver, who.first, add, *scene.trunk, *scene.other, one, *other, *opening)
    assert verdicts(receiver, other) == [ACCEPTED] * 2


def test_what_a_branch_replaces_is_out_of_place_before_that_is_durable(scene):
    opening = choose(scene, scene.other[-1])
    receiver = Receiver(scene.anna.records)
    receiver.take_all([*scene.start, opening[0], *scene.trunk, *scene.one, scene.other[0]])
    while (outcome := receiver.take(opening[1], settle=False)) != Deferred("missing_prev") and not isinstance(
        outcome, Admitted
    ):
        receiver.take(scene.events[outcome.want[0]], settle=False)
    staged = receiver.admission._staged
    for durable in (False, True):
        assert [staged.in_place(parsed.id) for parsed in scene.one] == [None] * 3
        assert None not in [staged.in_place(parsed.id) for parsed in (*scene.trunk, *scene.other, opening[1])]
        chain = [held.id for held in staged.span((scene.trunk[0].event.epoch, scene.room.stream), 1, 100)]
        assert chain == [parsed.id for parsed in (*scene.trunk, *scene.other)], durable
        receiver.settle()


@pytest.mark.parametrize("is_healed", [False, True])
def test_what_cites_an_event_of_another_branch_is_judged_alike_whoever_held_that_branch(*, is_healed):
    """Who never held it waited for ever for the device that others knew to be enrolled on a branch that was left."""
    world = World("asides", signed=False)
    anna = world.node("anna")
    room = anna.room()
    add, who = room.add(anna), anna.participant("ann")
    left, right = who.device(), who.device(after=who.first)
    told = room.say(left, add)
    everything = world.by_id()
    branches = [everything[device.enrolment] for device in (left, right)]
    start = [event for event in world.events if event not in (*branches, told)]
    opening = []
    if is_healed:
        anna.rotate()
        opening = [anna.open(*cut) for cut in ((who.stream, branches[1]), (room.members, add), (room.stream, told))]
    for first, then in (branches, branches[::-1]):
        receiver = Receiver(anna.records)
        receiver.take_all([*start, first, then, told])
        receiver.feed(anna.records, opening, everything, Random(1), world.now + HOUR)
        for each in (receiver, receiver.loaded()):
            assert verdicts(each, [told]) == [("rejected", "unknown_device")]
        assert branches[0].id in receiver.known()
