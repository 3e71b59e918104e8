"""The simulation is repeatable, and it notices what is broken: each mistake below is one that a node could have."""

import os
import subprocess
import sys
from unittest import mock

import pytest

from foedus.log.admission import Admission
from foedus.log.outcomes import Duplicate
from foedus.log.port import Commit
from foedus.log.rechecks import Rechecks
from foedus.node.audience import Audience
from foedus.node.author import Author
from foedus.node.crdts import Crdts
from foedus.node.erasing import Eraser
from foedus.node.outbox import Outbox
from foedus.node.publisher import _row
from foedus.state.crdt.map import Map
from foedus.trust.agreements import ledger
from tests.simulation.noticing import assert_noticed
from tests.simulation.plans import Plan
from tests.simulation.simulate import simulate

_BUSY = Plan(nodes=8, rooms=3, messages=60, crashes=0.03, breaks=0.3, partitions=1, removals=1, patience_s=150.0)
_LEAVING = Plan(nodes=4, rooms=1, messages=40, removals=3, busy_s=10.0, patience_s=5.0)
_HARD = Plan(nodes=8, rooms=3, messages=100, breaks=1.0, partitions=3, removals=3, forks=1, patience_s=150.0)
_TERMS = Plan(nodes=4, rooms=2, messages=30, breaks=0.3, negotiations=30, erasures=4, patience_s=150.0)
_DEALS = Plan(nodes=3, rooms=1, messages=5, breaks=1.0, partitions=6, negotiations=60, patience_s=150.0)
_WRITING = Plan(nodes=5, rooms=2, messages=0, partitions=1, erasures=10, deltas=80, patience_s=150.0)
_CALM = Plan(nodes=6, rooms=2, messages=30, patience_s=30.0)


def test_one_seed_gives_one_trace():
    first, second = simulate(7), simulate(7)
    assert first.lines == second.lines
    assert (first.writes, first.messages) == (second.writes, second.messages)
    assert simulate(8).lines != first.lines


@pytest.mark.parametrize("of", ["all", "state"])
def test_the_trace_does_not_depend_on_how_python_hashes(of):
    """A set of bytes is iterated in another order in each process, unless PYTHONHASHSEED says which."""
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation.simulate", of, "7"],
            env={"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True,
            text=True,
            check=True,
            timeout=200,
        ).stdout.splitlines()[:-1]
        for hash_seed in ("1", "2")
    ]
    assert traces[0] == traces[1]


def test_a_seed_has_writes_crashes_and_messages():
    outcome = simulate(1, _BUSY)
    assert not outcome.failures
    assert outcome.writes > 200
    assert outcome.messages > 500
    assert any("crashes" in line for line in outcome.lines)


def test_people_change_the_terms():
    """All that they may do is done, in some seed, and not refused."""
    said = [line for seed in range(1, 4) for line in simulate(seed, _TERMS._replace(roles=5, terminations=2)).lines]
    for deed in ("proposes", "instead", "signs", "declines", "withdraws", "ends the agreement", "erases", "the role"):
        assert sum(deed in line for line in said) > 2, deed


def drop_an_event():
    """One event of each node never gets further, though it is acknowledged to who brought it."""
    dropped = {}
    real = Admission.admit

    def admit(self, parsed, now):
        if parsed.event.stream.startswith("room:") and dropped.setdefault(self, parsed.id) == parsed.id:
            return Duplicate(Commit())
        return real(self, parsed, now)

    return mock.patch.object(Admission, "admit", admit)


def show_everyone_everything():
    def sees_all(self, viewer, chain):
        is_pair = chain.stream.startswith("pair:")
        return not is_pair or self.tier(viewer) is not None

    return mock.patch.object(Audience, "may_see", sees_all)


def acknowledge_before_it_is_durable():
    """The client is answered while the commit is on its way to the disk."""

    async def order(self, drafts):
        signed = await self._sign_acts(drafts)
        async with self._order:
            commit, encoded = await self._append(signed)
            self._store.begin_commit(commit, encoded)
        return [_row(entry, 0) for entry in commit.entries]

    return mock.patch.object(Author, "order", order)


def never_judge_anew():
    """What an event waited for has come, and nobody looks."""
    return mock.patch.object(Rechecks, "run", return_value=[])


def forget_to_push():
    return mock.patch.object(Outbox, "_push")


def forget_nobody_who_left():
    """Who was a member once is told everything for ever."""

    def is_member(self, node, room):
        held = self._store.admission.authority.rooms.get(bytes.fromhex(room))
        return held is not None and node in held.ever_present()

    return mock.patch.object(Audience, "is_member", is_member)


def keep_what_was_erased():
    return mock.patch.object(Eraser, "_drop")


def send_rooms_against_the_agreement():
    return mock.patch.object(Audience, "is_agreed", return_value=True)


def let_either_side_decide_the_version():
    """What the larger node signed is in force at once, whatever the smaller has signed meanwhile."""

    def versions(sides, root):
        yield root
        base = root
        while base is not None:
            found = [it for node in root.agreement.nodes for it in sides[node].signed.values()]
            base = next((ledger.version_of(it) for it in found if it.agreement.base == base.id), None)
            if base is not None:
                yield base

    return mock.patch.object(ledger, "_versions", versions)


def keep_what_was_folded():
    """What changed since a room was folded is not folded out of it."""
    return mock.patch.object(Crdts, "_drop")


def let_the_last_to_arrive_win():
    def join(self, other):
        self.entries |= other.entries

    return mock.patch.object(Map, "_join", join)


@pytest.mark.parametrize(
    ("mistake", "said", "plan", "first"),
    [
        (drop_an_event, "no agreement", _CALM, 1),
        (show_everyone_everything, "never a member", _CALM, 1),
        (acknowledge_before_it_is_durable, "acknowledged at", _BUSY, 1),
        (never_judge_anew, "differ in room", _HARD, 3),
        (forget_to_push, "no agreement", _CALM, 1),
        (forget_nobody_who_left, "whose removal it knew", _LEAVING, 1),
        (keep_what_was_erased, "still holds the body", _TERMS, 1),
        (send_rooms_against_the_agreement, "against their agreement", _TERMS, 1),
        (let_either_side_decide_the_version, "two versions in force", _DEALS, 1),
        (keep_what_was_folded, "keeps other values", _WRITING, 1),
        (let_the_last_to_arrive_win, "differ in the values", _WRITING, 5),
    ],
)
def test_a_mistake_is_noticed(mistake, said, plan, first):
    assert_noticed(mistake, said, plan, first)
