"""Branches of forked chains: the one that its owner chose is taken up in place of the one that is held."""

from __future__ import annotations

from foedus.base.clock import ZERO
from foedus.log.appending import Appending, parse_held
from foedus.log.branches import is_path
from foedus.log.chains import Chain
from foedus.log.erasures import ERASE
from foedus.log.event import Parsed
from foedus.log.outcomes import Deferred, join
from foedus.log.port import Commit, Entry, Row, Truncate, VerdictChange


class Branching(Appending):
    """Finds, collects and takes up branches."""

    def heal(self, node: bytes) -> tuple[Commit, tuple[bytes, ...]]:
        """Take up branches that the owner's openings chose before they could be told apart.

        That happens where records or proofs come after the openings. Returns what to store, and the ids of events
        to ask for; call it again when those were admitted.
        """
        commits: list[Commit] = []
        want: tuple[bytes, ...] = ()
        for (owner, _), tip in list(self.authority.cuts.unsettled.items()):
            found = self.adopt(tip, owner) if owner == node else Commit()
            if isinstance(found, Deferred):
                want += found.want
            else:
                commits.append(found)
        return join(commits), want

    def adopt(self, tip: bytes, node: bytes | None = None) -> Commit | Deferred:
        """Make the branch that ends with the event ``tip`` the one that its chain holds, where it is forked.

        An empty commit: it is so already. Deferred: events of the branch are to be asked for, or admitted first.
        ``node``: whose event it is, where it may not be held yet; without it, every node's branches are looked through.
        """
        if self._staged.in_place(tip) is not None:
            return Commit()
        path: list[Parsed] = []
        event_id: bytes | None = tip
        while event_id is not None and self._staged.in_place(event_id) is None:
            parsed = self._known(event_id, node)
            if parsed is None:
                return self._want(event_id, node)
            node = self.identities.node_of(parsed.event.epoch)
            chain = self.chains.get((parsed.event.epoch, parsed.event.stream))
            if chain is None or not 0 < chain.contested <= parsed.event.seq:
                return Deferred("missing_prev")
            path.append(parsed)
            event_id = parsed.event.prev if parsed.event.seq > 1 else None
        path.reverse()
        return self._take_branch(path)

    def _known(self, event_id: bytes, node: bytes | None) -> Parsed | None:
        """Return an event that is held, set aside, or collected for a branch."""
        kept = self._branches.get(node, event_id)
        if kept is not None:
            return kept
        held = self._staged.get(event_id)
        return None if held is None else parse_held(held)

    def _want(self, event_id: bytes, node: bytes | None) -> Deferred:
        self._branches.want(node, event_id)
        return Deferred("missing_prev", want=(event_id,))

    def _take_branch(self, path: list[Parsed]) -> Commit | Deferred:
        """Replace the end of a chain by ``path``, where that follows from what is in place before it."""
        first = path[0].event
        chain = self.chains.get((first.epoch, first.stream))
        base = self._staged.in_place(first.prev) if first.seq > 1 and first.prev is not None else None
        if chain is None or not is_path(base, path) or self._staged.holds_from(chain.key, first.seq):
            return Deferred("missing_prev")
        truncations = [Truncate(*chain.key, first.seq)] if chain.seq >= first.seq else []
        verdicts = self._rewind(chain, base, first.seq)
        parts = [self.append(self._without_erased(parsed), chain).commit for parsed in path]
        for key in self.authority.cuts.openings_of(chain.node, chain.stream):
            self.authority.cuts.note(key, self._opening(self.authority.cuts.openings[key].prev))
        taken = join((Commit(truncations=truncations, verdicts=verdicts), *parts))
        again = self._rechecks.run([], self.authority.taken_up(parsed.id for parsed in path))
        return taken._replace(verdicts=[*taken.verdicts, *again, *self._refresh(chain)])

    def _rewind(self, chain: Chain, base: Entry | Row | None, from_seq: int) -> list[VerdictChange]:
        if chain.is_folded:
            self.authority.rests.wake(chain.stream, chain.node)
        else:
            for held in self._staged.span(chain.key, from_seq, chain.seq):
                if held.kind == ERASE:
                    self.erasures.wake(held)
        if chain.seq >= from_seq:
            self._staged.cut(chain.key, from_seq)
        if base is None:
            self.authority.cuts.openings.pop(chain.key, None)
            chain.advance(0, b"", ZERO)
        else:
            chain.advance(base.seq, base.id, base.hlc)
        if not chain.is_folded:
            self.erasures.forget(chain.key, from_seq)
            self.gaps.cut(chain.key, from_seq)
            return []
        rechecks = self.authority.forget(chain.epoch, chain.stream, chain.node, from_seq)
        changes, more = self.authority.relearn(chain.stream)
        return self._rechecks.run(changes, rechecks + more)
