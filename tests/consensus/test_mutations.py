"""Planted mistakes in the core: the stories must find each of them, or they would not find one of ours."""

import pytest

from foedus.consensus import certificates, changing, ordering, replica
from foedus.consensus.changing import Reproposed
from foedus.consensus.membership import Membership
from foedus.consensus.messages import vote_bytes
from foedus.consensus.updates import NOTHING
from tests.consensus import attacks
from tests.consensus.stories import story


def quorum_of_one_less(patch):
    patch.setattr(Membership, "quorum", property(lambda it: (it.size + it.faults + 2) // 2 - 1))


def _bound(patch, change):
    def loose(membership, phase, view, sequence, digest):
        return vote_bytes(membership, *change(phase, view, sequence, digest))

    for module in (certificates, ordering, attacks):
        patch.setattr(module, "vote_bytes", loose)


def view_is_not_signed(patch):
    _bound(patch, lambda phase, _view, sequence, digest: (phase, 0, sequence, digest))


def phase_is_not_signed(patch):
    _bound(patch, lambda _phase, view, sequence, digest: ("commit", view, sequence, digest))


def sequence_is_not_signed(patch):
    _bound(patch, lambda phase, view, _sequence, digest: (phase, view, 0, digest))


def new_view_forgets_what_was_prepared(patch):
    honest = changing.reproposed

    def forgetful(changes, start):
        found = honest(changes, start)
        return Reproposed(found.stable, [(place, NOTHING.digest) for place, _ in found.digests])

    patch.setattr(changing, "reproposed", forgetful)
    patch.setattr(replica, "reproposed", forgetful)


def change_forgets_what_was_prepared(patch):
    honest = replica.Replica._leave

    def leave(self, view):
        for slot in self._window.slots():
            slot.prepared = None
        honest(self, view)

    patch.setattr(replica.Replica, "_leave", leave)


MISTAKES = [quorum_of_one_less, new_view_forgets_what_was_prepared, change_forgets_what_was_prepared]
ATTACKS = [
    (attacks.old_votes_in_a_later_view, view_is_not_signed),
    (attacks.prepares_as_commits, phase_is_not_signed),
    (attacks.votes_of_another_place, sequence_is_not_signed),
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found_by_the_stories(mistake, monkeypatch):
    mistake(monkeypatch)
    assert any(_disagree(story(seed, 4, trouble_s=2)) for seed in range(300))


@pytest.mark.parametrize(("attack", "mistake"), ATTACKS)
def test_an_attack_fails_unless_the_mistake_is_planted(attack, mistake, monkeypatch):
    assert not attack().failures
    mistake(monkeypatch)
    assert _disagree(attack())


def test_votes_are_durable_before_they_leave():
    assert not attacks.votes_lost_by_a_crash().failures
    assert _disagree(attacks.votes_lost_by_a_crash(unsynced=True))


def _disagree(world):
    return any("another batch" in failure for failure in world.failures)
