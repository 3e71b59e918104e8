"""Judging held events anew where a new fact may change what was said of them."""

from __future__ import annotations

from foedus.log.authority import Authority, Recheck
from foedus.log.chains import Chain
from foedus.log.erasures import ERASE, Erasures
from foedus.log.event import parse_event
from foedus.log.port import Entry, Row, VerdictChange
from foedus.log.staged import Staged


class Rechecks:
    """Reads back what ``authority`` names, judges it, and says what changed."""

    def __init__(self, authority: Authority, erasures: Erasures, staged: Staged) -> None:
        self._authority = authority
        self._erasures = erasures
        self._staged = staged

    def run(self, changes: list[VerdictChange], rechecks: list[Recheck]) -> list[VerdictChange]:
        """Return ``changes`` and those that the rechecks find."""
        return changes + [change for recheck in rechecks for change in self._recheck(recheck)]

    def _recheck(self, recheck: Recheck) -> list[VerdictChange]:
        chain = self._authority.chains.get((recheck.epoch, recheck.stream))
        if chain is None:
            return []
        to_seq = chain.seq if recheck.to_seq is None else min(chain.seq, recheck.to_seq)
        found = []
        for held in self._staged.span(chain.key, recheck.from_seq, to_seq):
            change = self._rejudge(held, chain)
            if change is not None:
                found.append(change)
        return found

    def _rejudge(self, held: Row | Entry, chain: Chain) -> VerdictChange | None:
        if held.reason == "replayed_nonce":
            return None
        event = parse_event(held.envelope).event
        judged = self._authority.judge(event, chain, held.seq)
        if judged.reason == "auth":
            self._authority.await_cited(event, chain, held.seq)
        if event.act.kind == ERASE:
            judged = self._erasures.judge(held.id, judged)
        if judged == (held.verdict, held.reason):
            return None
        self._staged.judge(held, *judged)
        return VerdictChange(held.id, judged.verdict, judged.reason)
