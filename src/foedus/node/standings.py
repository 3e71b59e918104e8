"""The standing of participants at this node: kept durably, judged by ``trust.standing``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec.structs import replace

from foedus.base.cbor import decode, decode_as, encode
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, UsageError
from foedus.base.limits import DAY, PEERS_MAX
from foedus.identity.ucan import parse_delegation
from foedus.log.bodies import GrantCreate
from foedus.log.event import read_event
from foedus.log.participants import Participant
from foedus.log.port import Commit, Value, Verdict
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust import standing as rules
from foedus.trust.evaluator import by_standing, is_root
from foedus.trust.standing import Breach, Progress, Record, Right, Rule, Standing

STANDINGS = "standings"
BREACHES = "breaches"
RECORDS_MAX = 65_536
"""Participants whose first act is remembered, some 350 bytes each; later ones stay where they started."""
RECORDS_PER_NODE = 4_096
"""Of one other node: a large company. It has room for five times as many enrolments, which cost it nothing."""
RECORDS_SURE = RECORDS_MAX // PEERS_MAX
"""Of a node for which there is always room, whatever others filled; and for all people of this node there is."""
READ_MAX = 20_000
"""Rows read to count one participant's acts, newest first: in a room so busy, who speaks less has to wait longer."""
REASON_MAX = 64
_PAGE = 500
_ID_BYTES = 32
_NEVER = Record(None, 1 << 62, 1 << 62)
"""Of who has no record: nothing counts yet."""


class Standings:
    """Who stands where. One per node, on the event loop's thread."""

    def __init__(self, store: Store, rule: Rule | None = None) -> None:
        self.rule = rule or Rule()
        self.on_changed: Callable[[], None] = lambda: None
        """Somebody's standing changed: what was judged by it is judged anew."""
        self._store = store
        self._load()
        store.on_reload.append(self._load)

    def _load(self) -> None:
        values = self._store.log.values
        self._records = {_key(key): _record(data) for key, data in values(STANDINGS).items()}
        self._counts = Counter(node for node, _ in self._records)
        self._breaches = {node: Breach(*decode(data)) for node, data in values(BREACHES).items()}

    def start(self) -> None:
        """Note those who were known before they could be noted."""
        known = self._store.admission.authority.participants
        self._note([key for key, who in known.items() if who.is_enrolled and key not in self._records])

    # --- what holds --------------------------------------------------------------------------

    def of(self, node: bytes, did: str) -> Standing:
        """Return the standing of a participant here."""
        is_local = node == self._store.node
        return rules.standing_of(self._records.get((node, did)), self._breaches.get(node), is_local=is_local)

    def is_architect(self, did: str) -> bool:
        """Whether the node is a participant's own."""
        return self.of(self._store.node, did) is Standing.ARCHITECT

    def record(self, who: Participant) -> Record:
        """Return what is kept of a participant, from where its days and acts count."""
        held = self._records.get((who.node, who.did), _NEVER)
        return rules.counts_from(held, self._breaches.get(who.node))

    def breach(self, node: bytes) -> Breach | None:
        """Return the last evidence against a node, None where there is none."""
        return self._breaches.get(node)

    def check(self, did: str, right: Right) -> None:
        """Raise UsageError where a participant of this node has no such right here."""
        refused = by_standing(self.of(self._store.node, did), right)
        if refused is not None:
            raise UsageError(
                f"standing {self.of(self._store.node, did).value} may not {right.replace('_', ' ')}",
                code=refused.code,
                http_status=403,
                remedy="see `foedus standing show WHO`",
            )

    def check_act(self, did: str, kind: str, body: bytes) -> None:
        """Refuse a grant by a participant of this node that may not open a chain, or may not pass one on."""
        if kind != "grant.create":
            return
        try:
            delegation = parse_delegation(decode_as(body, GrantCreate).ucan)
        except FoedusError:
            return  # the fold says what is wrong with it
        self.check(did, "open" if is_root(delegation) else "contribute")

    # --- rising ------------------------------------------------------------------------------

    def progress(self, who: Participant) -> Progress:
        """Return what a participant did since its last step, or the last breach of its node. Reads the log."""
        record = self.record(who)
        return Progress(record.since, self._accepted(who, record.local))

    def _accepted(self, who: Participant, local: int) -> int:
        """Count accepted acts in rooms that were admitted after ``local``, up to the number that the rule asks for."""
        found = 0
        budget = READ_MAX
        for chain in self._store.admission.chains.of_node(who.node):
            before = chain.seq + 1
            while chain.kind == "room" and budget > 0 and found < self.rule.acts:
                rows = self._store.log.chain_backwards(chain.epoch, chain.stream, before, _PAGE)
                fresh = [row for row in rows if row.local > local]
                found += sum(
                    row.verdict is Verdict.ACCEPTED
                    and not row.withheld
                    and read_event(row.envelope).act.author == who.did
                    for row in fresh
                )
                budget -= len(rows)
                if not rows or len(fresh) < len(rows):
                    break
                before = rows[-1].seq
        return min(found, self.rule.acts)

    def missing(self, who: Participant) -> tuple[str, ...]:
        """Return what the rule still asks of a participant for the next step up."""
        return rules.missing(self.progress(who), self.rule, self._store.now())

    async def propose(self, who: Participant, to: Standing | None) -> None:
        """Propose a step up, which then waits for a human; a step down takes effect at once.

        Raises UsageError where the rule is not met, or there is no such step.
        """
        now = self.of(who.node, who.did)
        wanted = to if to is not None else rules.next_step(now)
        if wanted is None or wanted is now:
            raise UsageError(f"standing {now.value} has no such step", code="bad_standing", remedy="name another")
        if wanted > now:
            await self._save(who, rules.stepped(self._held(who), wanted, self._store.now(), self._store.log.last_local))
            return
        self._check_earned(who, now, wanted)
        await self._save(who, replace(self._held(who), proposed=wanted))

    async def confirm(self, who: Participant) -> None:
        """Let a proposed step take effect; the rule is looked at again."""
        wanted = self._held(who).proposed
        if wanted is None:
            raise UsageError(
                f"nothing is proposed for {who.name}",
                code="nothing_proposed",
                remedy="propose it: `foedus standing propose WHO`",
            )
        self._check_earned(who, self.of(who.node, who.did), wanted)
        await self._save(who, rules.stepped(self._held(who), wanted, self._store.now(), self._store.log.last_local))

    def _check_earned(self, who: Participant, now: Standing, wanted: Standing) -> None:
        if wanted is Standing.ARCHITECT:
            if who.node != self._store.node or who.kind != "human":
                raise UsageError(
                    "architect is a human of this node",
                    code="not_permitted",
                    remedy="2 is the highest for others",
                )
            return
        if wanted is not rules.next_step(now):
            raise UsageError("one step at a time", code="bad_standing", remedy=f"from {now.value} to {now.value - 1}")
        lacks = self.missing(who)
        if lacks:
            raise UsageError(
                f"the rule is not met yet: {' and '.join(lacks)}",
                code="not_earned",
                http_status=409,
                remedy=f"{self.rule.lasts // DAY} days and {self.rule.acts} accepted acts: `foedus standing show WHO`",
            )

    def _held(self, who: Participant) -> Record:
        return self._records.get((who.node, who.did), _NEVER)

    async def _save(self, who: Participant, record: Record) -> None:
        await self._store.put(Value(STANDINGS, who.node + who.did.encode(), _encoded(record)))
        self._counts[who.node] += (who.node, who.did) not in self._records
        self._records[who.node, who.did] = record
        self.on_changed()

    # --- falling -----------------------------------------------------------------------------

    def on_evidence(self, node: bytes, reason: str, at: Instant | None = None) -> None:
        """Let every participant of another node fall to 4 at once, and begin anew: there is proof against it.

        ``at``: when it was seen, where they may have fallen for it before (a node tells all of it when it starts).
        """
        held = self._breaches.get(node)
        if node == self._store.node or (held is not None and at is not None and at <= held.at):
            return
        breach = Breach(self._store.now(), self._store.log.last_local, reason[:REASON_MAX])
        self._breaches[node] = breach
        data = encode([breach.at, breach.local, breach.reason])
        self._store.begin_commit(Commit(values=[Value(BREACHES, node, data)]))
        self.on_changed()

    def published(self, published: Published) -> None:
        """Note who acts here for the first time, and forks."""
        for proof in published.commit.proofs:
            node = self._store.identities.node_of(proof.epoch)
            if node is not None:
                self.on_evidence(node, "equivocation")
        first = [
            (self._store.identities.node_of(row.epoch) or b"", row.stream.removeprefix("participant:"))
            for row in (published.rows if "device.enrol" in published.kinds else ())
            if row.kind == "device.enrol" and row.verdict is Verdict.ACCEPTED
        ]
        self._note([key for key in first if key not in self._records])

    def _take(self, node: bytes) -> bool:
        """Count one more participant of a node, if there is room for one."""
        room = RECORDS_PER_NODE if self._counts.total() < RECORDS_MAX else RECORDS_SURE
        if node != self._store.node and self._counts[node] >= room:
            return False
        self._counts[node] += 1
        return True

    def _note(self, keys: list[tuple[bytes, str]]) -> None:
        """Remember when participants were first seen; durable soon after, and again at the next start if not."""
        made = {
            key: Record(None, self._store.now(), self._store.log.last_local)
            for key in dict.fromkeys(keys)
            if self._take(key[0])
        }
        if not made:
            return
        self._records |= made
        values = [Value(STANDINGS, node + did.encode(), _encoded(record)) for (node, did), record in made.items()]
        self._store.begin_commit(Commit(values=values))


def _key(key: bytes) -> tuple[bytes, str]:
    return key[:_ID_BYTES], key[_ID_BYTES:].decode()


def _encoded(record: Record) -> bytes:
    return encode([int(record.standing or 0), record.since, record.local, int(record.proposed or 0)])


def _record(data: bytes) -> Record:
    held, since, local, proposed = decode(data)
    return Record(Standing(held) if held else None, since, local, Standing(proposed) if proposed else None)
