"""What carries an agent's act across a border: the grants that it cites, chosen before it is ordered or sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from msgspec.structs import replace

from foedus.base.errors import UsageError
from foedus.base.limits import AUTH_MAX
from foedus.identity.did import did_of
from foedus.log.event import Act
from foedus.log.grants import Grant, is_untouched
from foedus.log.port import Value
from foedus.node.agents import Agents
from foedus.node.author import Draft
from foedus.node.author_bounds import Refusal
from foedus.node.crossings import Crossings, counts_after_foreign
from foedus.node.store import Store
from foedus.trust.border import Crossing
from foedus.trust.evaluator import CHAINS_MAX, Allow, Decision, Withhold, chains_to

READ_FOREIGN = "read_foreign"
"""The space of values that names the agents which have read what another node's people or agents wrote."""

AFTER_FOREIGN = "grant.after_foreign"
"""The clause by which an act waits that a standing grant carried until its agent read strangers."""


class NeedsApproval(UsageError):
    """A human has to allow the act first."""

    code = "needs_approval"
    http_status = 403
    remedy = (
        "ask for it, one at a time: a human runs `foedus approval allow ID --as NAME`, or gives a grant, "
        "`foedus grant create AGENT --as NAME`"
    )

    def __init__(self, crossing: Crossing, clause: str) -> None:
        super().__init__(f"{crossing.command} needs a human: {clause}")
        self.crossing = crossing
        self.clause = clause


class Carrying:
    """Finds the grants that carry an act, and knows which agents have read strangers."""

    def __init__(self, store: Store, agents: Agents, crossings: Crossings) -> None:
        self._store = store
        self._agents = agents
        self._crossings = crossings
        self._readers = {key.decode() for key in store.log.values(READ_FOREIGN)}

    # --- before ordering ---------------------------------------------------------------------

    def cite(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts with the grants that carry them across; raise NeedsApproval or Refusal where none do.

        Acts that a device signed already are only judged: what they cite is fixed.
        """
        ahead: dict[bytes, int] = {}
        return [self._cite(draft, ahead) for draft in drafts]

    def _cite(self, draft: Draft, ahead: dict[bytes, int]) -> Draft:
        crossing = self._crossings.crossing(draft.act, draft.stream, self._store.node)
        if crossing is None:
            clause = self._crossings.unnamed(draft.act, draft.stream, self._store.node)
            if clause:
                raise Refusal(
                    "the agreement takes the words of named people only, and this node is none",
                    code=clause,
                    remedy="let one of them say it: `foedus say --as NAME`",
                )
            return draft
        if draft.asig is not None:
            self._check_signed(draft, crossing, ahead)
            return draft
        chosen = self._choose(draft, crossing, ahead)
        auth = (*draft.act.auth, *(grant.id for grant in chosen))
        return draft._replace(act=replace(draft.act, auth=auth))

    def carried_to(self, draft: Draft, crossings: Sequence[Crossing]) -> tuple[Draft, list[str]]:
        """Return a draft that crosses to several peers, with grants that carry it, and the clause of each that none do.

        '' where it passes. Nothing is refused, since it is published at home in any case. What a device signed already
        is only judged.
        """
        cited = list(self._store.admission.authority.grants_of(draft.act))
        clauses = []
        for crossing in crossings:
            decision = self._decide(crossing, draft.act, cited)
            if isinstance(decision, Withhold) and draft.asig is None:
                with suppress(NeedsApproval, Refusal):
                    chosen = self._choose(draft, crossing, {})
                    if len(draft.act.auth) + len(cited) + len(chosen) <= AUTH_MAX:
                        cited += [grant for grant in chosen if grant not in cited]
                decision = self._decide(crossing, draft.act, cited)
            clauses.append(decision.code if isinstance(decision, Withhold) else "")
        if draft.asig is not None:
            return draft, clauses
        auth = (*draft.act.auth, *(grant.id for grant in cited))
        return draft._replace(act=replace(draft.act, auth=auth)), clauses

    def _check_signed(self, draft: Draft, crossing: Crossing, ahead: dict[bytes, int]) -> None:
        cited = self._store.admission.authority.grants_of(draft.act)
        carrying = self._with_uses(cited, ahead)
        usable = [grant for grant in carrying if self._is_fresh(grant, draft.act)]
        decision = self._decide(crossing, draft.act, usable)
        self._raise_unless_allowed(decision, crossing, draft.act, cited)
        _count(ahead, [grant.id for grant in usable])

    def _choose(self, draft: Draft, crossing: Crossing, ahead: dict[bytes, int]) -> list[Grant]:
        """Return the grants to cite: chain after chain until the evaluator says yes; each human's once."""
        chosen: dict[bytes, Grant] = {}
        decision = self._decide(crossing, draft.act, ())
        if isinstance(decision, Allow):
            return []
        in_force = self._in_force()
        for chain in self._chains(self._audience(draft.act), in_force):
            is_fresh = all(self._is_fresh(grant, draft.act) for grant in chain)
            if not is_fresh or not is_untouched(chain) or len(self._with_uses(chain, ahead)) < len(chain):
                continue
            if not isinstance(self._decide(crossing, draft.act, chain), Withhold) or self._is_one_of_several(
                crossing, draft.act, chain
            ):
                chosen.update((grant.id, grant) for grant in chain)
                decision = self._decide(crossing, draft.act, list(chosen.values()))
                if isinstance(decision, Allow):
                    _count(ahead, chosen)
                    return list(chosen.values())
        self._raise_unless_allowed(decision, crossing, draft.act, in_force)
        return []

    def needs(self, draft: Draft, crossings: Sequence[Crossing]) -> list[NeedsApproval]:
        """Return what of an act's crossings waits for a human; what no human here could allow is left out."""
        found = []
        for crossing in crossings:
            try:
                self._choose(draft, crossing, {})
            except NeedsApproval as need:
                found.append(need)
            except Refusal:
                continue
        return found

    def carrying(self, draft: Draft, crossing: Crossing) -> list[Grant]:
        """Return the grants that carry an act of a custodial agent which is not ordered; raise as ``cite``."""
        return self._choose(draft, crossing, {})

    def _is_one_of_several(self, crossing: Crossing, act: Act, chain: Sequence[Grant]) -> bool:
        decision = self._decide(crossing, act, chain)
        return isinstance(decision, Withhold) and decision.code == "grant.approvals"

    def _audience(self, act: Act) -> str:
        return did_of(self._store.admission.authority.signer(act, self._store.node) or b"")

    def _chains(self, audience: str, candidates: Sequence[Grant]) -> Iterator[tuple[Grant, ...]]:
        for count, chain in enumerate(chains_to(audience, candidates)):
            if count >= CHAINS_MAX * CHAINS_MAX:
                return
            yield chain

    def _decide(self, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> Decision:
        return self._crossings.decide(crossing, act, self._store.node, grants, self._store.now())

    def _raise_unless_allowed(self, decision: Decision, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> None:
        """``grants``: those in force, also what does not count any more for who has read strangers."""
        if isinstance(decision, Allow):
            return
        if decision.layer == "grant":
            is_stale = act.author in self._readers and self._was_carried(crossing, act, grants)
            raise NeedsApproval(crossing, AFTER_FOREIGN if is_stale else decision.code)
        raise Refusal(
            f"{crossing.command} is not allowed: {decision.code}",
            code=decision.code,
            remedy="the agreement with the other node does not allow it: see `foedus agreement show`",
        )

    def _in_force(self) -> list[Grant]:
        """Return the grants of this node's participants that carry now."""
        authority = self._store.admission.authority
        now = self._store.now()
        found = []
        for who in self._agents.local():
            for grant in who.grants.values():
                since, until = grant.window()
                if since <= now < until and grant.device.cuts is None and not authority.is_taken_back(grant):
                    found.append(grant)
        return found

    def _with_uses(self, grants: Sequence[Grant], ahead: dict[bytes, int]) -> list[Grant]:
        now = self._store.now()
        return [grant for grant in grants if self._crossings.has_uses(grant, now, ahead.get(grant.id, 0))]

    def _is_fresh(self, grant: Grant, act: Act) -> bool:
        return act.author not in self._readers or counts_after_foreign(grant) or is_for_one_act(grant)

    def _was_carried(self, crossing: Crossing, act: Act, grants: Sequence[Grant]) -> bool:
        """Whether a chain would carry an act, had its agent not read strangers."""
        now = self._store.now()
        for chain in self._chains(self._audience(act), grants):
            has_uses = all(self._crossings.has_uses(grant, now) for grant in chain)
            if has_uses and is_untouched(chain) and isinstance(self._decide(crossing, act, chain), Allow):
                return True
        return False

    # --- reading -----------------------------------------------------------------------------

    async def note_read(self, did: str) -> None:
        """Remember that an agent has read what was written at another node."""
        if did not in self._readers:
            await self._store.put(Value(READ_FOREIGN, did.encode(), b"\x01"))
            self._readers.add(did)


def _count(ahead: dict[bytes, int], grants: Iterable[bytes]) -> None:
    """Note that an act of this batch uses these grants, which the next ones cannot use again."""
    for grant in grants:
        ahead[grant] = ahead.get(grant, 0) + 1


def is_for_one_act(grant: Grant) -> bool:
    """Whether a grant names the digest of one act: a human saw what it says."""
    return any(list(statement[:2]) == ["==", ".digest"] for statement in grant.delegation.policy.plain)
