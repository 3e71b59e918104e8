"""What every adapter of the log promises (``log/port.py``). ``test_event_logs.py`` runs it against each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from foedus.base.clock import ZERO, Hlc
from foedus.base.errors import Unavailable, UsageError
from foedus.log.event import Envelope
from foedus.log.port import (
    BodyFill,
    Commit,
    Entry,
    EventLog,
    Gap,
    Proof,
    Truncate,
    Value,
    Verdict,
    VerdictChange,
)

ROOM = "room:" + "ab" * 32
OTHER_ROOM = "room:" + "cd" * 32
MEMBERS = "members:" + "ab" * 32
EPOCH = b"\x01" * 32
OTHER_EPOCH = b"\x02" * 32
DEVICE = b"\x0d" * 32
SIG = b"\x05" * 64


def digest(*parts: Any) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def entry(seq: int, *, epoch: bytes = EPOCH, stream: str = ROOM, branch: int = 0, **changes: Any) -> Entry:
    """An entry whose bytes, id and nonce follow from its place."""
    id_ = digest(epoch, stream, seq, branch)
    plain = Entry(
        id=id_,
        epoch=epoch,
        stream=stream,
        seq=seq,
        hlc=Hlc(1_000_000 + seq, seq % 3),
        kind="message.text",
        device=DEVICE,
        nonce=id_[:16],
        envelope=Envelope(b"event " + id_, SIG, b"\x07" * 32, b"body " + id_),
        verdict=Verdict.ACCEPTED,
        reason="",
        withheld="",
    )
    return plain._replace(**changes)


def run(first: int, last: int, **where: Any) -> list[Entry]:
    return [entry(seq, **where) for seq in range(first, last + 1)]


def proof(seq: int, *, epoch: bytes = EPOCH, stream: str = ROOM, mark: bytes = b"") -> Proof:
    return Proof(epoch, stream, seq, Envelope(b"one" + mark, SIG, None, None), Envelope(b"two", SIG, None, None))


def seqs(rows: Any) -> list[int]:
    return [row.seq for row in rows]


class EventLogContract:
    """Subclasses give the fixtures ``log`` (an empty, open log) and ``reopen`` (close it; open it anew)."""

    # --- entries and chains --------------------------------------------------------------------------

    def test_an_empty_log_holds_nothing(self, log: EventLog) -> None:
        assert log.last_local == 0
        assert len(log.store_id) == 16
        for rows in (log.heads(), log.control_rows(), log.pending_rows(), log.proofs(), log.records()):
            assert list(rows) == []
        assert log.chain(EPOCH, ROOM, 0, 10) == log.since(0, 10) == log.since(0, 10, ROOM) == []
        assert log.by_ids([b"\0" * 32]) == {}
        assert log.values("peers") == {}
        assert log.check() == []

    def test_what_is_committed_is_read_back_whole(self, log: EventLog) -> None:
        given = entry(1, withheld="tier", verdict=Verdict.REJECTED, reason="unknown_device")
        assert log.commit(Commit(entries=[given])) == (1, ())
        (row,) = log.chain(EPOCH, ROOM, 0, 10)
        assert row.local == 1
        assert row[1:5] == (given.id, EPOCH, ROOM, 1)
        assert (row.hlc, row.kind, row.envelope) == (given.hlc, given.kind, given.envelope)
        assert (row.verdict, row.reason, row.withheld) == (Verdict.REJECTED, "unknown_device", "tier")
        assert isinstance(row.verdict, Verdict)
        assert isinstance(row.hlc, Hlc)
        assert isinstance(row.envelope, Envelope)
        assert log.by_ids([given.id]) == {given.id: row}
        assert log.since(0, 10) == log.since(0, 10, ROOM) == log.chain_backwards(EPOCH, ROOM, 2, 10) == [row]

    def test_an_event_without_its_body_is_read_back_so(self, log: EventLog) -> None:
        bare = entry(1)
        log.commit(Commit(entries=[bare._replace(envelope=bare.envelope.without_body())]))
        assert log.by_ids([bare.id])[bare.id].envelope == bare.envelope.without_body()

    def test_an_empty_body_is_a_body(self, log: EventLog) -> None:
        given = entry(1)
        given = given._replace(envelope=given.envelope._replace(body=b""))
        log.commit(Commit(entries=[given]))
        assert log.by_ids([given.id])[given.id].envelope.body == b""

    def test_local_numbers_follow_the_order_of_commits(self, log: EventLog) -> None:
        assert log.commit(Commit(entries=run(1, 3))).first_local == 1
        assert log.commit(Commit(values=[Value("a", b"k", b"v")])).first_local == 4
        assert log.commit(Commit(entries=run(1, 2, stream=OTHER_ROOM))).first_local == 4
        assert log.last_local == 5
        assert [row.local for row in log.since(0, 10)] == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize("first", [2, 7])
    def test_a_gap_in_a_chain_is_refused_and_changes_nothing(self, log: EventLog, first: int) -> None:
        broken = Commit(entries=[entry(1, stream=OTHER_ROOM), entry(first)], values=[Value("a", b"k", b"v")])
        with pytest.raises(UsageError) as caught:
            log.commit(broken)
        assert caught.value.code == "broken_commit"
        assert log.last_local == 0
        assert list(log.heads()) == []
        assert log.values("a") == {}
        assert log.commit(Commit(entries=[*run(1, 2), entry(1, stream=OTHER_ROOM)])) == (1, ())

    def test_an_event_held_already_is_refused(self, log: EventLog) -> None:
        log.commit(Commit(entries=[entry(1)]))
        with pytest.raises(UsageError):
            log.commit(Commit(entries=[entry(1)]))
        with pytest.raises(UsageError):
            log.commit(Commit(entries=[entry(2, id=entry(1).id)]))
        with pytest.raises(UsageError):
            log.commit(Commit(entries=[entry(2, id=b"\x0e" * 32), entry(3, id=b"\x0e" * 32)]))
        assert seqs(log.since(0, 10)) == [1]

    def test_heads_tell_the_end_of_each_chain(self, log: EventLog) -> None:
        log.commit(Commit(entries=[*run(1, 5), *run(1, 2, epoch=OTHER_EPOCH)]))
        log.commit(Commit(entries=run(6, 7)))
        heads = {(head.epoch, head.stream): head for head in log.heads()}
        assert set(heads) == {(EPOCH, ROOM), (OTHER_EPOCH, ROOM)}
        last = entry(7)
        assert heads[(EPOCH, ROOM)] == (EPOCH, ROOM, 7, last.id, last.hlc, 0)
        assert isinstance(heads[(EPOCH, ROOM)].hlc, Hlc)

    def test_many_chains_are_all_told(self, log: EventLog) -> None:
        streams = [f"room:{number:064x}" for number in range(600)]
        log.commit(Commit(entries=[entry(1, stream=stream) for stream in streams]))
        assert {head.stream for head in log.heads()} == set(streams)

    # --- reading ---------------------------------------------------------------------------------------

    def test_a_chain_is_read_by_pages_of_rows_and_bytes(self, log: EventLog) -> None:
        log.commit(Commit(entries=[*run(1, 700), *run(1, 3, epoch=OTHER_EPOCH)]))
        assert seqs(log.chain(EPOCH, ROOM, 0, 1_000)) == list(range(1, 701))
        assert seqs(log.chain(EPOCH, ROOM, 690, 4)) == [691, 692, 693, 694]
        assert seqs(log.chain(OTHER_EPOCH, ROOM, 0, 10)) == [1, 2, 3]
        assert log.chain(EPOCH, OTHER_ROOM, 0, 10) == log.chain(EPOCH, ROOM, 700, 10) == []
        size = len(entry(1).envelope.event) + len(entry(1).envelope.body or b"")
        assert seqs(log.chain(EPOCH, ROOM, 0, 10, max_bytes=2 * size)) == [1, 2]
        assert seqs(log.chain(EPOCH, ROOM, 0, 10, max_bytes=2 * size + 1)) == [1, 2, 3]
        assert seqs(log.chain(EPOCH, ROOM, 0, 10, max_bytes=1)) == [1]
        assert seqs(log.chain(EPOCH, ROOM, 0, 600, max_bytes=500 * size)) == list(range(1, 501))

    def test_a_chain_is_read_backwards(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 9)))
        assert seqs(log.chain_backwards(EPOCH, ROOM, 1 << 60, 3)) == [9, 8, 7]
        assert seqs(log.chain_backwards(EPOCH, ROOM, 3, 10)) == [2, 1]

    def test_since_follows_admission_within_a_stream_of_several_chains(self, log: EventLog) -> None:
        for seq in range(1, 30):
            log.commit(Commit(entries=[entry(seq), entry(seq, epoch=OTHER_EPOCH), entry(seq, stream=OTHER_ROOM)]))
        every = log.since(0, 1_000)
        assert [row.local for row in every] == list(range(1, 88))
        for after in (0, 1, 2, 3, 40, 41, 86, 87):
            expected = [row for row in every if row.local > after and row.stream == ROOM]
            assert log.since(after, 1_000, ROOM) == expected
            assert log.since(after, 5, ROOM) == expected[:5]
            assert log.since(after, 7) == every[after : after + 7]

    def test_many_ids_are_looked_up_at_once(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 600)))
        wanted = [entry(seq).id for seq in range(1, 700)]
        found = log.by_ids(iter(wanted))
        assert {id_: row.id for id_, row in found.items()} == {id_: id_ for id_ in wanted[:600]}

    def test_control_rows_are_all_but_the_rooms(self, log: EventLog) -> None:
        control = ["node", MEMBERS, "participant:did:key:z6Mk" + "a" * 44, "pair:" + "1" * 64 + ":" + "2" * 64]
        for seq in range(1, 101):
            log.commit(Commit(entries=[entry(seq, stream=stream) for stream in (*control, ROOM)]))
        rows = list(log.control_rows())
        assert len(rows) == 400
        assert [row.local for row in rows] == sorted(row.local for row in rows)
        assert {row.stream for row in rows} == set(control)

    # --- verdicts, bodies, nonces ------------------------------------------------------------------------

    def test_pending_rows_are_those_that_wait(self, log: EventLog) -> None:
        log.commit(Commit(entries=[entry(1), *run(2, 400, verdict=Verdict.PENDING)]))
        assert seqs(log.pending_rows()) == list(range(2, 401))
        changes = [VerdictChange(entry(2).id, Verdict.ACCEPTED, ""), VerdictChange(entry(3).id, Verdict.REJECTED, "x")]
        log.commit(Commit(verdicts=changes))
        assert seqs(log.pending_rows()) == list(range(4, 401))
        held = log.by_ids([entry(3).id])[entry(3).id]
        assert (held.verdict, held.reason) == (Verdict.REJECTED, "x")

    def test_a_new_verdict_may_bring_a_clause_and_takes_none_away(self, log: EventLog) -> None:
        log.commit(Commit(entries=[entry(1, verdict=Verdict.PENDING), entry(2)]))
        log.commit(Commit(verdicts=[VerdictChange(entry(1).id, Verdict.ACCEPTED, "", "grant.uses")]))
        log.commit(Commit(verdicts=[VerdictChange(entry(seq).id, Verdict.REJECTED, "x") for seq in (1, 2)]))
        assert [(row.reason, row.withheld) for row in log.since(0, 10)] == [("x", "grant.uses"), ("x", "")]

    def test_a_body_comes_later(self, log: EventLog) -> None:
        bare = [one._replace(envelope=one.envelope.without_body()) for one in run(1, 3)]
        log.commit(Commit(entries=bare, bodies=[BodyFill(entry(1).id, b"s" * 32, b"first")]))
        log.commit(Commit(bodies=[BodyFill(entry(3).id, b"s" * 32, b"third")]))
        assert [row.envelope.body for row in log.since(0, 10)] == [b"first", None, b"third"]
        assert log.by_ids([entry(3).id])[entry(3).id].envelope.salt == b"s" * 32

    @pytest.mark.parametrize(
        "commit",
        [
            Commit(bodies=[BodyFill(b"\x0e" * 32, b"s" * 32, b"")]),
            Commit(verdicts=[VerdictChange(b"\x0e" * 32, Verdict.ACCEPTED, "")]),
        ],
    )
    def test_a_change_of_an_unknown_event_is_refused(self, log: EventLog, commit: Commit) -> None:
        with pytest.raises(UsageError):
            log.commit(commit._replace(entries=[entry(1)]))
        assert log.since(0, 10) == []

    def test_where_a_nonce_stands_is_found(self, log: EventLog) -> None:
        nonce = b"n" * 16
        log.commit(Commit(entries=[entry(1), entry(2, nonce=nonce), entry(3, nonce=nonce)]))
        assert log.nonce_seq(EPOCH, ROOM, DEVICE, nonce) == 2
        assert log.nonce_seq(EPOCH, ROOM, b"\x0e" * 32, nonce) == 0
        assert log.nonce_seq(EPOCH, OTHER_ROOM, DEVICE, nonce) == 0
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)]))
        assert log.nonce_seq(EPOCH, ROOM, DEVICE, nonce) == 0

    def test_a_nonce_is_used_once_by_a_device_in_a_chain(self, log: EventLog) -> None:
        nonce = b"n" * 16
        log.commit(Commit(entries=[entry(1, nonce=nonce)]))
        committed = log.commit(
            Commit(
                entries=[
                    entry(1, stream=OTHER_ROOM, nonce=nonce),
                    entry(2, nonce=nonce),
                    entry(3, nonce=nonce, verdict=Verdict.PENDING),
                    entry(4, nonce=nonce, device=b"\x0e" * 32),
                    entry(5, nonce=nonce, device=None),
                    entry(6, nonce=nonce, device=None),
                    entry(7, nonce=b"m" * 16),
                    entry(8, nonce=b"m" * 16, withheld="tier"),
                ]
            )
        )
        assert committed == (2, (1, 2, 7))
        rejected = [row for row in log.since(0, 20) if row.verdict == Verdict.REJECTED]
        assert seqs(rejected) == [2, 3, 8]
        assert {row.reason for row in rejected} == {"replayed_nonce"}
        assert rejected[-1].withheld == "tier"

    def test_a_rejected_event_takes_its_nonce_too_so_the_order_of_arrival_does_not_matter(self, log: EventLog) -> None:
        nonce = b"n" * 16
        entries = [
            entry(1, nonce=nonce, verdict=Verdict.REJECTED, reason="excessive_drift"),
            entry(2, nonce=nonce),
            entry(3, nonce=nonce, verdict=Verdict.REJECTED, reason="excessive_drift"),
        ]
        assert log.commit(Commit(entries=entries)).replayed == (1, 2)
        assert [row.reason for row in log.since(0, 10)] == ["excessive_drift", "replayed_nonce", "replayed_nonce"]

    def test_a_replay_stays_rejected(self, log: EventLog) -> None:
        log.commit(Commit(entries=[entry(1), entry(2, nonce=entry(1).nonce)]))
        log.commit(Commit(verdicts=[VerdictChange(entry(seq).id, Verdict.PENDING, "waits") for seq in (1, 2)]))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)]))
        log.commit(Commit(verdicts=[VerdictChange(entry(2).id, Verdict.ACCEPTED, "")]))
        held = log.by_ids([entry(1).id, entry(2).id])
        assert (held[entry(1).id].verdict, held[entry(1).id].reason) == (Verdict.PENDING, "waits")
        assert (held[entry(2).id].verdict, held[entry(2).id].reason) == (Verdict.REJECTED, "replayed_nonce")

    # --- branches -----------------------------------------------------------------------------------------

    def test_what_another_branch_replaces_is_kept_aside(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(Commit(entries=[*run(1, 5), *run(1, 2, stream=OTHER_ROOM)]))
        committed = log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 3)], entries=run(3, 4, branch=1)))
        assert committed.first_local == 8
        assert [row.id for row in log.chain(EPOCH, ROOM, 0, 10)] == [
            *(one.id for one in run(1, 2)),
            *(one.id for one in run(3, 4, branch=1)),
        ]
        for get in (lambda: log, reopen):
            held = get()
            aside = held.by_ids([one.id for one in run(3, 5)])
            assert [row.local for row in aside.values()] == [0, 0, 0]
            assert aside[entry(4).id].envelope == entry(4).envelope
            assert [row.local for row in held.since(0, 20)] == [1, 2, 6, 7, 8, 9]
            assert [row.local for row in held.since(2, 20, ROOM)] == [8, 9]
            assert held.check() == []

    def test_local_numbers_are_never_reused(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(Commit(entries=run(1, 5)))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 1)]))
        assert list(log.heads()) == log.since(0, 10) == []
        again = reopen()
        assert again.last_local == 5
        assert again.commit(Commit(entries=run(1, 1, branch=1))).first_local == 6

    def test_a_truncated_event_gives_its_nonce_back(self, log: EventLog) -> None:
        nonce = b"n" * 16
        log.commit(Commit(entries=[entry(1), entry(2, nonce=nonce), entry(3, nonce=nonce)]))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)]))
        assert log.commit(Commit(entries=[entry(2, branch=1), entry(3, branch=1, nonce=nonce)])).replayed == ()
        assert log.commit(Commit(entries=[entry(4, branch=1, nonce=entry(1).nonce)])).replayed == (0,)

    def test_truncation_beyond_the_head_moves_nothing(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 2)))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 3), Truncate(OTHER_EPOCH, ROOM, 1)]))
        assert seqs(log.chain(EPOCH, ROOM, 0, 10)) == [1, 2]
        assert len(list(log.heads())) == 1

    def test_events_aside_take_bodies_and_verdicts_and_come_back(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 2)))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)], entries=[entry(2, branch=1)]))
        log.commit(
            Commit(
                bodies=[BodyFill(entry(2).id, b"s" * 32, b"late")],
                verdicts=[VerdictChange(entry(2).id, Verdict.PENDING, "superseded")],
            )
        )
        aside = log.by_ids([entry(2).id])[entry(2).id]
        assert (aside.envelope.body, aside.reason) == (b"late", "superseded")
        assert list(log.pending_rows()) == []
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)], entries=[entry(2)]))
        assert log.by_ids([entry(2).id])[entry(2).id].local == 4
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 1)]))
        assert {row.local for row in log.by_ids([entry(1).id, entry(2).id, entry(2, branch=1).id]).values()} == {0}
        assert log.check() == []

    def test_events_of_a_branch_that_never_was_in_place_are_kept_aside(
        self, log: EventLog, reopen: Callable[[], EventLog]
    ) -> None:
        log.commit(Commit(entries=run(1, 2), proofs=[proof(2)]))
        rejected = {"verdict": Verdict.REJECTED, "reason": "equivocation"}
        other, beyond = entry(2, branch=1, **rejected), entry(9, branch=1, **rejected)
        log.commit(Commit(asides=[other, beyond, entry(1)]))
        log.commit(Commit(asides=[other._replace(reason="twice")]))
        for get in (lambda: log, reopen):
            held = get().by_ids([other.id, beyond.id, entry(1).id])
            assert [held[one.id].local for one in (other, beyond, entry(1))] == [0, 0, 1]
            assert (held[other.id].envelope, held[other.id].reason) == (other.envelope, "equivocation")
            assert seqs(get().chain(EPOCH, ROOM, 0, 10)) == [1, 2]
            assert get().check() == []
        log = reopen()
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 2)], entries=[other]))
        assert log.by_ids([other.id])[other.id].local == 3
        assert log.check() == []

    # --- what goes ---------------------------------------------------------------------------------------------

    def test_a_dropped_body_is_gone_and_the_event_stays(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(Commit(entries=run(1, 3)))
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 3)]))
        log.commit(Commit(drops=[entry(2).id, entry(3).id, b"\x0e" * 32]))
        assert log.scrub()
        for get in (lambda: log, reopen):
            held = get()
            rows = held.by_ids([entry(seq).id for seq in (1, 2, 3)])
            assert [rows[entry(seq).id].envelope.body is None for seq in (1, 2, 3)] == [False, True, True]
            assert rows[entry(2).id].envelope == entry(2).envelope.without_body()
            assert held.check() == []

    def test_a_dropped_body_can_come_again(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 1), bodies=[BodyFill(entry(1).id, b"s" * 32, b"x")], drops=[entry(1).id]))
        assert log.by_ids([entry(1).id])[entry(1).id].envelope.body is None
        log.commit(Commit(bodies=[BodyFill(entry(1).id, b"s" * 32, b"x")]))
        assert log.by_ids([entry(1).id])[entry(1).id].envelope.body == b"x"

    def test_erasures_are_found_where_they_stand_in_their_chains(self, log: EventLog) -> None:
        erase = [entry(2, kind="event.erase"), entry(4, kind="event.erase", verdict=Verdict.REJECTED)]
        log.commit(Commit(entries=[entry(1), erase[0], entry(3), erase[1]]))
        assert [row.seq for row in log.erase_rows()] == [2, 4]
        log.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 4)]))
        assert [row.id for row in log.erase_rows()] == [erase[0].id]

    def test_what_has_no_body_and_what_is_rejected_with_one_are_found(self, log: EventLog) -> None:
        rejected = [entry(seq, verdict=Verdict.REJECTED) for seq in (2, 4)]
        log.commit(Commit(entries=[entry(1), rejected[0], entry(3), rejected[1]]))
        assert log.bodiless_rows(0, 9) == []
        assert seqs(log.rejected_rows(0, 9)) == [2, 4]
        assert seqs(log.rejected_rows(0, 1)) == [2]
        assert seqs(log.rejected_rows(2, 9)) == [4]
        log.commit(Commit(drops=[entry(2).id, entry(3).id]))
        assert (seqs(log.rejected_rows(0, 9)), seqs(log.bodiless_rows(0, 9))) == ([4], [2, 3])
        assert seqs(log.bodiless_rows(2, 9)) == [3]
        log.commit(Commit(bodies=[BodyFill(entry(3).id, b"s" * 32, b"x")]))
        log.commit(Commit(verdicts=[VerdictChange(entry(4).id, Verdict.ACCEPTED, "")]))
        assert (log.rejected_rows(0, 9), seqs(log.bodiless_rows(0, 9))) == ([], [2])

    def test_values_are_read_by_a_range_of_keys(self, log: EventLog) -> None:
        log.commit(Commit(values=[Value("s", bytes([key]), b"v") for key in range(1, 6)]))
        log.commit(Commit(values=[Value("t", b"\x03", b"other")]))
        assert sorted(log.values_between("s", b"\x02", b"\x04")) == [b"\x03", b"\x04"]
        assert log.values_between("s", b"\x05", b"\xff") == {}

    def test_a_pruned_prefix_leaves_a_gap(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(Commit(entries=[*run(1, 9), *run(1, 2, stream=OTHER_ROOM)]))
        gap = Gap(EPOCH, ROOM, 0, 6, entry(6).id, entry(6).hlc, b"checkpoint")
        assert log.commit(Commit(gaps=[gap])) == (12, ())
        for get in (lambda: log, reopen):
            held = get()
            assert list(held.gaps()) == [gap]
            assert seqs(held.chain(EPOCH, ROOM, 0, 10)) == [7, 8, 9]
            assert held.by_ids([entry(6).id]) == {}
            assert [row.local for row in held.since(0, 20, ROOM)] == [7, 8, 9]
            assert [row.local for row in held.since(7, 20, ROOM)] == [8, 9]
            assert {head.stream: head.seq for head in held.heads()} == {ROOM: 9, OTHER_ROOM: 2}
            assert held.check() == []

    def test_the_nonces_of_a_pruned_prefix_stay_taken(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 3)))
        log.commit(Commit(gaps=[Gap(EPOCH, ROOM, 0, 2, entry(2).id, entry(2).hlc, b"c")]))
        assert log.commit(Commit(entries=[entry(4, nonce=entry(1).nonce)])).replayed == (0,)

    def test_a_wider_gap_takes_the_place_of_the_former(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 9)))
        for seq in (3, 9):
            log.commit(Commit(gaps=[Gap(EPOCH, ROOM, 1, seq, entry(seq).id, entry(seq).hlc, b"c")]))
        assert [(gap.after, gap.seq) for gap in log.gaps()] == [(1, 9)]
        assert seqs(log.chain(EPOCH, ROOM, 0, 10)) == [1]
        assert [(head.seq, head.id, head.hlc) for head in log.heads()] == [(9, entry(9).id, entry(9).hlc)]
        assert log.commit(Commit(entries=[entry(10)])).first_local == 10
        assert log.check() == []

    def test_a_chain_may_begin_with_a_gap(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(Commit(gaps=[Gap(EPOCH, ROOM, 0, 1_000, entry(1_000).id, ZERO, b"c")]))
        assert [(head.seq, head.id) for head in log.heads()] == [(1_000, entry(1_000).id)]
        again = reopen()
        again.commit(Commit(entries=run(1_001, 1_003)))
        assert seqs(again.chain(EPOCH, ROOM, 0, 10)) == [1_001, 1_002, 1_003]
        assert again.check() == []
        again.commit(Commit(truncations=[Truncate(EPOCH, ROOM, 1_001)]))
        assert [head.seq for head in again.heads()] == [1_000]

    @pytest.mark.parametrize("ends", [(3, 3), (4, 3), (-1, 2)])
    def test_a_gap_that_holds_nothing_is_refused(self, log: EventLog, ends: tuple[int, int]) -> None:
        with pytest.raises(UsageError):
            log.commit(Commit(gaps=[Gap(EPOCH, ROOM, *ends, b"\x0e" * 32, ZERO, b"c")]))
        assert list(log.gaps()) == []

    # --- evidence, records, values ---------------------------------------------------------------------------

    def test_one_proof_of_a_chain_is_kept_that_of_its_lowest_fork(self, log: EventLog) -> None:
        log.commit(Commit(entries=run(1, 9), proofs=[proof(7), proof(8)]))
        assert [head.contested for head in log.heads()] == [7]
        log.commit(Commit(proofs=[proof(3), proof(3, mark=b"later"), proof(1, stream=OTHER_ROOM)]))
        assert set(log.proofs()) == {proof(3), proof(1, stream=OTHER_ROOM)}
        assert [(head.stream, head.contested) for head in log.heads()] == [(ROOM, 3)]
        log.commit(Commit(entries=[entry(1, stream=OTHER_ROOM)]))
        assert {head.stream: head.contested for head in log.heads()} == {ROOM: 3, OTHER_ROOM: 1}

    def test_records_are_kept_in_order_the_first_of_an_epoch(self, log: EventLog) -> None:
        records = [(digest(number), b"record %d" % number) for number in range(600)]
        log.commit(Commit(records=records[:300]))
        log.commit(Commit(records=[(records[0][0], b"another"), *records[300:]]))
        assert list(log.records()) == records

    def test_values_are_set_replaced_and_deleted_by_space(self, log: EventLog) -> None:
        log.commit(Commit(values=[Value("a", b"1", b"x"), Value("a", b"2", b""), Value("b", b"1", b"z")]))
        log.commit(Commit(values=[Value("a", b"1", b"y"), Value("b", b"1", None), Value("b", b"9", None)]))
        assert log.values("a") == {b"1": b"y", b"2": b""}
        assert log.values("b") == {}

    # --- transactions ----------------------------------------------------------------------------------------

    def test_many_commits_are_one_transaction(self, log: EventLog) -> None:
        commits = [
            Commit(entries=run(1, 3), values=[Value("a", b"k", b"1")]),
            Commit(),
            Commit(truncations=[Truncate(EPOCH, ROOM, 2)], entries=[entry(2, branch=1)]),
            Commit(entries=[entry(3, branch=1), entry(4, nonce=entry(1).nonce)], values=[Value("a", b"k", b"2")]),
        ]
        assert log.commit_many(commits) == [(1, ()), (4, ()), (4, ()), (5, (1,))]
        assert log.values("a") == {b"k": b"2"}
        with pytest.raises(UsageError):
            log.commit_many([Commit(entries=[entry(5)]), Commit(entries=[entry(7)])])
        assert [head.seq for head in log.heads()] == [4]
        assert log.commit_many([]) == []

    def test_everything_is_there_after_reopening(self, log: EventLog, reopen: Callable[[], EventLog]) -> None:
        log.commit(
            Commit(
                entries=[*run(1, 300), entry(301, verdict=Verdict.PENDING), entry(1, stream=MEMBERS)],
                proofs=[proof(4)],
                records=[(EPOCH, b"record")],
                values=[Value("a", b"k", b"v")],
            )
        )
        before = _everything(log)
        again = reopen()
        assert _everything(again) == before
        assert again.commit(Commit(entries=[entry(302, nonce=entry(1).nonce)])) == (303, (0,))

    def test_a_closed_log_says_so(self, log: EventLog) -> None:
        log.commit(Commit(entries=[entry(1)]))
        log.close()
        log.close()
        calls: list[Callable[[], Any]] = [
            lambda: log.commit(Commit(entries=[entry(2)])),
            lambda: list(log.heads()),
            lambda: log.chain(EPOCH, ROOM, 0, 1),
            lambda: log.values("a"),
            log.check,
        ]
        for call in calls:
            with pytest.raises(Unavailable) as caught:
                call()
            assert caught.value.code == "closed"


def _everything(log: EventLog) -> Any:
    return (
        log.store_id,
        log.last_local,
        log.since(0, 1_000),
        sorted(log.heads()),
        list(log.control_rows()),
        list(log.pending_rows()),
        list(log.proofs()),
        list(log.records()),
        log.values("a"),
        log.check(),
    )
