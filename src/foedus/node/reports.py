"""What became of a batch that went through ingest: how much is new, what was not taken and why, what is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from foedus.log.chains import ChainKey, Position
from foedus.log.port import Proof


@dataclass
class Rejection:
    """An envelope that was not admitted as it is: its place in the batch, its id if it has one, and why."""

    index: int
    id: bytes
    reason: str


@dataclass
class Report:
    """What became of a batch. ``accepted`` counts new events, whatever their authority verdict."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[Rejection] = field(default_factory=list)
    deferred: list[Rejection] = field(default_factory=list)
    again: set[ChainKey] = field(default_factory=set)
    """Chains of which events were put off: ask for them again from our head."""
    barred: dict[ChainKey, None] = field(default_factory=dict)
    """Chains that the carrier may not bring: ask for them once it may."""
    want: list[bytes] = field(default_factory=list)
    want_records: set[bytes] = field(default_factory=set)
    """Epochs whose identity record is missing."""
    proofs: list[Proof] = field(default_factory=list)
    own: bool = False
    """The batch held an event of this node that it lacked: it was restored from a backup."""
    new: Counter[ChainKey] = field(default_factory=Counter)
    """Chain → how many events of it were new."""
    reached: dict[ChainKey, Position] = field(default_factory=dict)
    """Chain → its highest event in the batch that is held here: so far the carrier evidently holds it, too."""

    def add(self, report: Report, start: int) -> None:
        """Take in the report of the next slice of a batch, which begins at index ``start``."""
        self.accepted += report.accepted
        self.duplicates += report.duplicates
        for ours, theirs in ((self.refused, report.refused), (self.deferred, report.deferred)):
            ours += [Rejection(start + it.index, it.id, it.reason) for it in theirs]
        self.again |= report.again
        self.barred |= report.barred
        self.want += report.want
        self.want_records |= report.want_records
        self.proofs += report.proofs
        self.own = self.own or report.own
        self.new.update(report.new)
        self.reached |= report.reached

    @property
    def count(self) -> int:
        """How many envelopes the batch held."""
        return self.accepted + self.duplicates + len(self.refused) + len(self.deferred)
