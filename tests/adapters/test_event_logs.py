"""Both logs keep the contract of the port, and the fast one does what the slow one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from foedus.adapters.memory_log import MemoryLog
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.errors import UsageError
from foedus.log.port import BodyFill, Commit, Committed, EventLog, Gap, Truncate, Value, Verdict, VerdictChange
from tests.adapters.event_log_contract import (
    EPOCH,
    MEMBERS,
    OTHER_EPOCH,
    OTHER_ROOM,
    ROOM,
    EventLogContract,
    entry,
    proof,
    run,
)


class TestSqliteLog(EventLogContract):
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "log.db"

    @pytest.fixture
    def log(self, path: Path) -> Iterator[SqliteLog]:
        log = SqliteLog(path)
        yield log
        log.close()

    @pytest.fixture
    def reopen(self, log: SqliteLog, path: Path) -> Iterator[Callable[[], EventLog]]:
        opened: list[SqliteLog] = []

        def again() -> EventLog:
            log.close()
            opened.append(SqliteLog(path))
            return opened[-1]

        yield again
        for one in opened:
            one.close()


class TestMemoryLog(EventLogContract):
    @pytest.fixture
    def log(self) -> MemoryLog:
        return MemoryLog()

    @pytest.fixture
    def reopen(self, log: MemoryLog) -> Callable[[], EventLog]:
        def again() -> EventLog:
            log.close()
            log.lose_uncommitted()
            return log

        return again


def test_power_failure_in_memory_loses_what_is_not_synced() -> None:
    log = MemoryLog()
    log.commit(Commit(entries=[entry(1)]))
    log.hold_back = True
    log.commit(Commit(entries=[entry(2)]))
    log.sync()
    log.commit(Commit(entries=[entry(3)]))
    assert log.last_local == 3
    log.lose_uncommitted()
    assert log.last_local == 2
    assert [row.seq for row in log.since(0, 10)] == [1, 2]


CHAINS = st.sampled_from([(EPOCH, ROOM), (OTHER_EPOCH, ROOM), (EPOCH, OTHER_ROOM), (EPOCH, MEMBERS)])
NONCES = st.sampled_from([b"%016d" % number for number in range(6)])
DEVICES = st.sampled_from([None, b"\x0d" * 32, b"\x0e" * 32])
PLACES = st.tuples(CHAINS, st.integers(1, 12), st.integers(0, 3))


class SameAsMemory(RuleBasedStateMachine):
    """Whatever is committed, in whatever groups: both answer alike, and read alike."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "log.db"
        self.fast = SqliteLog(self.path)
        self.slow = MemoryLog(self.fast.store_id)
        self.group: list[Commit] = []

    @rule(chain=CHAINS, count=st.integers(1, 3), branch=st.integers(0, 3), skip=st.sampled_from([0, 0, 0, 0, 1]),
          data=st.data())  # fmt: skip
    def append(self, chain: Any, count: int, branch: int, skip: int, data: Any) -> None:
        head = {head[:2]: head.seq for head in self.slow.heads()}.get(chain, 0)
        places = data.draw(st.lists(st.tuples(NONCES, DEVICES, st.sampled_from(Verdict)), min_size=count))
        entries = [
            entry(head + 1 + skip + number, epoch=chain[0], stream=chain[1], branch=branch,
                  nonce=nonce, device=device, verdict=verdict)
            for number, (nonce, device, verdict) in enumerate(places)
        ]  # fmt: skip
        self.commit([Commit(entries=entries)])

    @rule(place=PLACES, follow=st.booleans())
    def truncate(self, place: Any, follow: bool) -> None:
        (epoch, stream), seq, branch = place
        entries = run(seq, seq + 1, epoch=epoch, stream=stream, branch=branch) if follow else []
        self.commit([Commit(truncations=[Truncate(epoch, stream, seq)], entries=entries)])

    @rule(place=PLACES, verdict=st.sampled_from(Verdict), reason=st.sampled_from(["", "superseded"]))
    def judge(self, place: Any, verdict: Verdict, reason: str) -> None:
        self.commit([Commit(verdicts=[VerdictChange(_id(place), verdict, reason)])])

    @rule(place=PLACES, body=st.binary(max_size=4))
    def fill(self, place: Any, body: bytes) -> None:
        self.commit([Commit(bodies=[BodyFill(_id(place), b"s" * 32, body)])])

    @rule(place=PLACES)
    def drop(self, place: Any) -> None:
        self.commit([Commit(drops=[_id(place)])])

    @rule(chain=CHAINS, keep=st.integers(0, 1), seq=st.integers(1, 12))
    def prune(self, chain: Any, keep: int, seq: int) -> None:
        held = self.slow.chain(*chain, seq - 1, 1)
        if keep < seq and held and held[0].seq == seq:
            self.commit([Commit(gaps=[Gap(*chain, keep, seq, held[0].id, held[0].hlc, b"c")])])

    @rule(place=PLACES, mark=st.binary(max_size=1))
    def convict(self, place: Any, mark: bytes) -> None:
        (epoch, stream), seq, _ = place
        self.commit([Commit(proofs=[proof(seq, epoch=epoch, stream=stream, mark=mark)])])

    @rule(key=st.binary(max_size=1), value=st.none() | st.binary(max_size=2))
    def small_state(self, key: bytes, value: bytes | None) -> None:
        self.commit([Commit(values=[Value("s", key, value)], records=[(key * 32, value or b"r")])])

    @rule(chain=CHAINS, first=st.integers(0, 2), second=st.integers(0, 2), cut=st.integers(0, 12))
    def commit_a_group(self, chain: Any, first: int, second: int, cut: int) -> None:
        epoch, stream = chain
        head = {head[:2]: head.seq for head in self.slow.heads()}.get(chain, 0)
        where = {"epoch": epoch, "stream": stream, "branch": 9}
        start = cut or head + first + 1
        self.commit(
            [
                Commit(entries=run(head + 1, head + first, **where), values=[Value("s", b"g", b"1")]),
                Commit(truncations=[Truncate(epoch, stream, cut)] if cut else [], entries=run(start, start, **where)),
                Commit(entries=run(start + 1, start + second, **where), values=[Value("s", b"g", b"2")]),
            ]
        )

    @rule()
    def reopen(self) -> None:
        self.fast.close()
        self.fast = SqliteLog(self.path)

    def commit(self, commits: list[Commit]) -> None:
        assert _outcome(self.fast, commits) == _outcome(self.slow, commits)

    @invariant()
    def both_read_alike(self) -> None:
        for read in _READS:
            assert read(self.fast) == read(self.slow)

    def teardown(self) -> None:
        assert self.fast.check() == []
        self.fast.close()
        self.folder.cleanup()


def _id(place: Any) -> bytes:
    (epoch, stream), seq, branch = place
    return entry(seq, epoch=epoch, stream=stream, branch=branch).id


def _outcome(log: EventLog, commits: list[Commit]) -> list[Committed] | str:
    try:
        return log.commit_many(commits)
    except UsageError as error:
        return error.code


_EVERY_ID = [
    entry(seq, epoch=epoch, stream=stream, branch=branch).id
    for epoch, stream in [(EPOCH, ROOM), (OTHER_EPOCH, ROOM), (EPOCH, OTHER_ROOM), (EPOCH, MEMBERS)]
    for seq in range(1, 16)
    for branch in (0, 1, 2, 3, 9)
]

_READS: list[Callable[[EventLog], Any]] = [
    lambda log: log.last_local,
    lambda log: sorted(log.heads()),
    lambda log: list(log.control_rows()),
    lambda log: list(log.pending_rows()),
    lambda log: log.chain(EPOCH, ROOM, 2, 4, 200),
    lambda log: log.chain_backwards(EPOCH, ROOM, 5, 3),
    lambda log: log.since(3, 7),
    lambda log: log.since(2, 5, ROOM),
    lambda log: log.by_ids(_EVERY_ID),
    lambda log: sorted(log.proofs()),
    lambda log: list(log.records()),
    lambda log: log.values("s"),
    lambda log: list(log.erase_rows()),
    lambda log: sorted(log.gaps()),
    lambda log: log.bodiless_rows(2, 4),
    lambda log: log.rejected_rows(2, 4),
    lambda log: log.values_between("s", b"a", b"c"),
]

TestSameAsMemory = SameAsMemory.TestCase
TestSameAsMemory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
