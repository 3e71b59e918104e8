"""Documents in a process of their own: what ends it ends nothing else, and is not tried for ever."""

import os
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from pycrdt import Doc, Text

from foedus.adapters import document_keeper
from foedus.adapters.document_keeper import ENDED_MAX, ENDED_TWICE, DocumentKeeper
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.replica import ReplicasLost, Yjs
from tests.red_team.lying_updates import PANIC


def written(text):
    doc = Doc()
    doc["text"] = Text(text)
    return doc.get_update()


def read(update):
    doc = Doc()
    doc["text"] = text = Text()
    doc.apply_update(update)
    return str(text)


WRITTEN = written("x")


@pytest.fixture
def keeper():
    keeper = DocumentKeeper()
    keeper.start("room")
    yield keeper
    keeper.close()


def test_a_replica_there_is_a_replica_here(keeper):
    there, here = keeper.make("room"), Yjs()
    one, other = written("hello"), written("world")
    for replica in (there, here):
        replica.apply(one)
        assert replica.is_changed_by(other)
        assert not replica.is_changed_by(one)
        replica.apply(other)
    merged = keeper.merged([one, other])
    for update in (there.whole(), there.beyond(b"\x00"), here.whole(), merged):
        assert read(update) == read(here.whole())
    assert Yjs().whole() == keeper.make("room").whole()


def test_a_child_that_ends_takes_all_replicas_and_another_is_started(keeper):
    lost = []
    keeper.on_lost = lambda: lost.append(True)
    replica, other = keeper.make("room"), keeper.make("other")
    replica.apply(written("x"))
    os.kill(keeper.pid, signal.SIGKILL)
    with pytest.raises(ReplicasLost):
        replica.whole()
    assert lost == [True]
    keeper.start("room")
    for dead in (replica, other):
        with pytest.raises(ReplicasLost):
            dead.whole()
    fresh = keeper.make("room")
    fresh.apply(written("x"))
    assert fresh.whole()


def test_an_update_that_ends_two_children_is_shown_to_no_third(keeper):
    def under_way():
        keeper.start("room")
        replica = keeper.make("room")
        os.kill(keeper.pid, signal.SIGKILL)
        with suppress(ReplicasLost):
            replica.apply(written_once)

    written_once = written("x")
    under_way()
    under_way()
    keeper.start("room")
    replica = keeper.make("room")
    with pytest.raises(BadUpdate, match="twice") as refused:
        replica.apply(written_once)
    assert refused.value.code == "harmful_update"
    replica.apply(written("y"))


def test_a_room_that_ends_too_many_children_is_closed_and_no_other_is(keeper):
    for _ in range(ENDED_MAX):
        keeper.start("room")
        replica = keeper.make("room")
        os.kill(keeper.pid, signal.SIGKILL)
        with pytest.raises(ReplicasLost):
            replica.apply(written("x"))
    with pytest.raises(BadUpdate) as closed:
        keeper.start("room")
    assert closed.value.code == "documents_closed"
    keeper.start("other")
    keeper.make("other").apply(written("x"))


@pytest.fixture
def stopped(keeper, monkeypatch):
    """Return (the keeper, what stops its child before the next call); the child goes on after so many looks at it."""
    monkeypatch.setattr(document_keeper, "_LOOK_S", 0.005)
    keeper.close()
    keeper = DocumentKeeper()
    looks, until = Counter(), [30]

    def wait_on(patience, before=document_keeper._Patience.wait_on):
        looks[keeper.pid] += 1
        if looks[keeper.pid] == until[0]:
            os.kill(keeper.pid, signal.SIGCONT)
        before(patience)

    def stop(so_many=30):
        keeper.start("room")
        replica = keeper.make("room")
        replica.whole()  # what it takes to begin is behind it
        looks.clear()
        until[0] = so_many
        os.kill(keeper.pid, signal.SIGSTOP)
        return replica

    monkeypatch.setattr(document_keeper._Patience, "wait_on", wait_on)
    yield keeper, stop
    keeper.close()


def test_time_in_which_the_child_cannot_work_does_not_count(stopped, monkeypatch):
    monkeypatch.setattr(document_keeper, "ANSWER_PROCESSOR_S", 1.0)
    replica = stopped[1](250)  # longer than it may work; the first update costs a child a tenth of a second
    replica.apply(WRITTEN)
    assert read(replica.whole()) == "x"


def test_no_update_is_passed_over_since_the_machine_stood_still(stopped, monkeypatch):
    keeper, stop = stopped
    for _ in range(ENDED_TWICE + 1):
        replica = stop()
        with monkeypatch.context() as patch:
            patch.setattr(document_keeper, "STALLED_S", 0.02)
            with pytest.raises(ReplicasLost):
                replica.apply(WRITTEN)
        assert keeper.pid is None
    keeper.start("room")
    replica = keeper.make("room")
    replica.apply(WRITTEN)
    assert read(replica.whole()) == "x"


def test_a_child_that_works_and_does_not_answer_is_ended_and_its_update_passed_over(stopped, monkeypatch):
    processor = iter(range(1_000))
    keeper, stop = stopped
    replica = stop()
    with monkeypatch.context() as patch:
        patch.setattr(document_keeper, "_processor_s", lambda _pid: float(next(processor)))
        with pytest.raises(ReplicasLost):
            replica.apply(WRITTEN)
    assert keeper.pid is None
    keeper.start("room")
    with pytest.raises(BadUpdate, match="twice"):
        keeper.make("room").apply(WRITTEN)


def test_the_processor_time_of_a_child_is_its_own(keeper):
    before, replica = document_keeper._processor_s(keeper.pid), keeper.make("room")
    for _ in range(50):
        replica.is_changed_by(WRITTEN)
    after = document_keeper._processor_s(keeper.pid)
    assert before < after < before + 60


def test_who_waits_for_an_answer_learns_that_the_keeper_is_closed(keeper):
    replica = keeper.make("room")
    os.kill(keeper.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(replica.apply, WRITTEN)
        while not keeper._lock.locked():
            pass
        keeper.close()
        with pytest.raises(ReplicasLost):
            waiting.result()
    with pytest.raises(ReplicasLost):
        keeper.start("room")


def test_a_panic_of_the_library_is_the_end_of_the_child_alone(keeper):
    replica = keeper.make("room")
    lost = []
    for update in PANIC:
        with suppress(BadUpdate):
            try:
                replica.apply(update)
            except ReplicasLost as error:
                lost.append(error)
    assert lost
    keeper.start("room")


def test_what_nobody_holds_any_more_the_child_forgets(keeper):
    for _ in range(50):
        keeper.make("room").apply(written("x" * 10_000))
    keeper.make("room").whole()
    assert len(keeper._dropped) <= 1
