"""A log in memory: the port to the letter, as slow and obvious as it can be."""

from __future__ import annotations

from bisect import bisect_right

from foedus.log.port import Commit, Committed, Head, Proof, Row, Verdict

REPLAYED = "replayed_nonce"


class MemoryLog:
    def __init__(self):
        self.store_id = b"\x07" * 16
        self.last_local = 0
        self._chains: dict[tuple[bytes, str], list[bytes]] = {}
        self._rows: dict[bytes, Row] = {}  # those that left their chain have the local number 0
        self._by_local: list[tuple[int, bytes]] = []
        self._marks: dict[bytes, tuple[bytes, bytes] | None] = {}
        self._proofs: dict[tuple[bytes, str], Proof] = {}
        self._records: dict[bytes, bytes] = {}
        self._values: dict[str, dict[bytes, bytes]] = {}

    def commit(self, commit: Commit) -> Committed:
        for cut in commit.truncations:
            ids = self._chains.get((cut.epoch, cut.stream), [])
            for event_id in ids[cut.from_seq - 1 :]:
                self._rows[event_id] = self._rows[event_id]._replace(local=0)
            del ids[cut.from_seq - 1 :]
        first = self.last_local + 1
        replayed = [index for index, entry in enumerate(commit.entries) if self._insert(entry)]
        for fill in commit.bodies:
            row = self._rows[fill.id]
            envelope = row.envelope._replace(salt=fill.salt, body=fill.body)
            self._rows[fill.id] = row._replace(envelope=envelope)
        for change in commit.verdicts:
            row = self._rows[change.id]
            if row.reason != REPLAYED:
                self._rows[change.id] = row._replace(verdict=change.verdict, reason=change.reason)
        for proof in commit.proofs:
            held = self._proofs.get((proof.epoch, proof.stream))
            if held is None or proof.seq < held.seq:
                self._proofs[proof.epoch, proof.stream] = proof
        for epoch, record in commit.records:
            self._records.setdefault(epoch, record)
        for value in commit.values:
            space = self._values.setdefault(value.space, {})
            if value.value is None:
                space.pop(value.key, None)
            else:
                space[value.key] = value.value
        return Committed(first, replayed)

    def _insert(self, entry) -> bool:
        ids = self._chains.setdefault((entry.epoch, entry.stream), [])
        assert entry.seq == len(ids) + 1, "an entry goes to the end of its chain"
        mark = None if entry.device is None else (entry.device, entry.nonce)
        is_replay = mark is not None and any(self._marks[event_id] == mark for event_id in ids)
        verdict, reason = (Verdict.REJECTED, REPLAYED) if is_replay else (entry.verdict, entry.reason)
        self.last_local += 1
        ids.append(entry.id)
        self._by_local.append((self.last_local, entry.id))
        self._marks[entry.id] = mark
        self._rows[entry.id] = Row(
            local=self.last_local,
            id=entry.id,
            epoch=entry.epoch,
            stream=entry.stream,
            seq=entry.seq,
            hlc=entry.hlc,
            kind=entry.kind,
            envelope=entry.envelope,
            verdict=verdict,
            reason=reason,
            withheld=entry.withheld,
        )
        return is_replay

    def heads(self):
        for (epoch, stream), ids in self._chains.items():
            if ids:
                row, proof = self._rows[ids[-1]], self._proofs.get((epoch, stream))
                yield Head(epoch, stream, row.seq, row.id, row.hlc, proof.seq if proof else 0)

    def _rows_after(self, local: int):
        start = bisect_right(self._by_local, (local, b"\xff" * 33))
        for number, event_id in self._by_local[start:]:
            row = self._rows[event_id]
            if row.local == number:
                yield row

    def control_rows(self):
        return (row for row in self._rows_after(0) if not row.stream.startswith("room:"))

    def pending_rows(self):
        return (row for row in self._rows_after(0) if row.verdict is Verdict.PENDING)

    def chain(self, epoch, stream, after_seq, limit, max_bytes=1 << 62):
        found, size = [], 0
        for event_id in self._chains.get((epoch, stream), [])[after_seq : after_seq + limit]:
            found.append(self._rows[event_id])
            size += len(found[-1].envelope.event) + len(found[-1].envelope.body or b"")
            if size >= max_bytes:
                break
        return found

    def chain_backwards(self, epoch, stream, before_seq, limit):
        ids = self._chains.get((epoch, stream), [])[: max(before_seq - 1, 0)]
        return [self._rows[event_id] for event_id in ids[::-1][:limit]]

    def by_ids(self, ids):
        return {event_id: self._rows[event_id] for event_id in ids if event_id in self._rows}

    def since(self, local, limit, stream=""):
        return [row for row in self._rows_after(local) if stream in {"", row.stream}][:limit]

    def proofs(self):
        return iter(list(self._proofs.values()))

    def records(self):
        return iter(list(self._records.items()))

    def values(self, space):
        return dict(self._values.get(space, {}))

    def check(self):
        return []

    def close(self):
        pass
