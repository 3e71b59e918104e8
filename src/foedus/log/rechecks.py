"""Judging held events anew where a new fact may change what was said of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from foedus.log.authority import Authority
from foedus.log.chains import Chain
from foedus.log.erasures import ERASE, Erasures
from foedus.log.event import Parsed, parse_event
from foedus.log.port import Entry, Row, Verdict, VerdictChange
from foedus.log.spans import Recheck
from foedus.log.staged import Staged

Allowed: TypeAlias = Callable[[Parsed, bytes], str]
"""(event, its node), which is accepted now and was pending → the clause by which the door withholds it, or ''."""


class Rechecks:
    """Reads back what ``authority`` names, judges it, and says what changed."""

    def __init__(self, authority: Authority, erasures: Erasures, staged: Staged, allowed: Allowed) -> None:
        self._authority = authority
        self._erasures = erasures
        self._staged = staged
        self._allowed = allowed

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
        parsed = parse_event(held.envelope)
        event = parsed.event
        judged = self._authority.judge(event, chain, held.seq)
        if judged.reason == "auth":
            self._authority.await_cited(event, chain, held.seq)
        if event.act.kind == ERASE:
            judged = self._erasures.judge_again(held, judged)
        if judged == (held.verdict, held.reason):
            return None
        is_new = held.verdict is Verdict.PENDING and judged.verdict is Verdict.ACCEPTED and not held.withheld
        change = VerdictChange(held.id, *judged, self._allowed(parsed, chain.node) if is_new else "")
        self._staged.judge(held, change)
        return change
