"""What a node that left a room still brings there, while its opening is awaited, is bounded for good."""

from types import SimpleNamespace

from foedus.adapters.memory_log import MemoryLog
from foedus.log.cuts import AWAITING_OPENING
from foedus.node import late_openings
from foedus.node.late_openings import LATE_MAX, LATE_STEP, LateOpenings

NODE, EPOCH, STREAM = b"n" * 32, b"e" * 32, "room:" + "ab" * 32
EVENT = SimpleNamespace(event=SimpleNamespace(epoch=EPOCH, stream=STREAM))


def store_of(log):
    record = SimpleNamespace(id=EPOCH)
    chain = SimpleNamespace(limit=AWAITING_OPENING)
    return SimpleNamespace(
        log=log,
        identities=SimpleNamespace(node_of=lambda _: NODE, held=lambda _: [record]),
        admission=SimpleNamespace(chains={(EPOCH, STREAM): chain}),
        begin_commit=log.commit,
    )


def late(log):
    return LateOpenings(store_of(log), SimpleNamespace(may_finish=lambda *_: True))


def test_a_restart_gives_no_more():
    """Counted in one run, a node that never brought its opening got another thousand with each start."""
    log, taken, starts = MemoryLog(), 0, 0
    while starts < 2 * LATE_MAX // LATE_STEP:
        it, starts = late(log), starts + 1
        taken += sum(it.is_awaited(NODE, EVENT) for _ in range(LATE_STEP + 7))
    assert LATE_MAX // 2 <= taken <= LATE_MAX


def test_all_of_it_may_come_in_one_run_and_little_is_written(monkeypatch):
    monkeypatch.setattr(late_openings, "LATE_MAX", 10 * LATE_STEP)
    log = MemoryLog()
    it = late(log)
    written = []
    it._store.begin_commit = written.append
    assert sum(it.is_awaited(NODE, EVENT) for _ in range(1_000)) == 10 * LATE_STEP
    assert len(written) == 10
