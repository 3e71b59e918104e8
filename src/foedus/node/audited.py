"""What happens in this node, as decisions of the audit log: one method for each place that decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.consensus.membership import Membership
from foedus.log.outcomes import OVER_QUOTA
from foedus.log.port import Gap, Row, Verdict, VerdictChange
from foedus.node.approvals import Approval
from foedus.node.author import Draft
from foedus.node.erasing import Erased
from foedus.node.links import BUSY
from foedus.node.publisher import Published
from foedus.node.reports import Rejection, Report
from foedus.node.store import Store
from foedus.sync.effects import Close
from foedus.trust.audit.rows import PEERING, Act, Decision
from foedus.trust.inputs import Input, LinkOpened, TierReceived
from foedus.trust.peer import Peer

QUIET = frozenset({"audit.head", "audit.witness", "checkpoint", "crossing.receipt"})
"""Kinds that follow from what was decided before: their rows wait for others, or two idle nodes would talk for ever."""
OPERATOR = "operator"
OWN = "node"
NOT_VISIBLE = "not_visible"
BAD_CHECKPOINT = "bad_checkpoint"
REPLAYED = "replayed_nonce"
"""The one verdict that the log gives as it stores: nobody has counted it before."""
_VERDICTS = {Verdict.ACCEPTED: "accepted", Verdict.PENDING: "pending", Verdict.REJECTED: "rejected"}
_ORDINARY = frozenset({"lost", "duplicate", "probe", "rekey", "disconnected", "not_welcome", "stopping", "closed"})
"""Why links end that nobody has decided against."""
_PUT_OFF = frozenset({OVER_QUOTA, "excessive_drift"})
"""What is put off because of who sends it. What only came too early (``missing_prev``) is nobody's fault."""


class _Alike(NamedTuple):
    """What the rows of one audit row have in common."""

    verdict: Verdict
    reason: str
    withheld: str
    quiet: bool


_DECIDED = slice(Row._fields.index("verdict"), Row._fields.index("withheld") + 1)
"""Where a row says the first three of the above."""


class Audited:
    """Turns happenings into decisions. ``door``: (origin, stream, clock) → the clause that withholds, or ''.

    ``clauses``: event id → why a border act is not let in; what was noted leaves it. ``refusals``: counts by code.
    """

    def __init__(
        self,
        store: Store,
        note: Callable[[Decision], None],
        door: Callable[[bytes, str, Instant], str],
        clauses: dict[bytes, str],
        refusals: Counter[str],
    ) -> None:
        self._clauses = clauses
        self._refusals = refusals
        self._store = store
        self._note = note
        self._door = door

    def question(self, carrier: bytes, kind: str, clause: str) -> None:
        """Note that a peer's question is answered, or by which clause it is not."""
        self._note(Decision(self._name(carrier), "query", kind, clause, "refused" if clause else "answered"))

    def contradicted(self, council: bytes, node: bytes) -> None:
        """Note that a member of a council contradicted itself: the proof of it is durable."""
        self._note(Decision(self._name(node), "fork", f"council:{council.hex()}", "equivocation", "contested"))

    def council_begun(self, council: bytes) -> None:
        """Note that a council has begun: all its founders signed, this node among them."""
        self._say(OWN, "council", f"council:{council.hex()}", "epoch 0", "begun")

    def council_changed(self, council: bytes, before: Membership, after: Membership) -> None:
        """Note how a council, with its quorum, changed its members: who came, who went, who has new keys."""
        old = {member.node: member.ed25519 for member in before.members}
        new = {member.node: member.ed25519 for member in after.members}
        for node in sorted(old.keys() | new.keys()):
            if old.get(node) != new.get(node):
                outcome = "added" if node not in old else "removed" if node not in new else "new keys"
                self._say(self._name(node), "council", f"council:{council.hex()}", f"epoch {after.epoch}", outcome)

    def call(self, caller: bytes, clause: str) -> None:
        """Note that a peer's call ended, or by which clause it was not taken up."""
        self._note(Decision(self._name(caller), "call", "", clause, "refused" if clause else "ended"))

    # --- events --------------------------------------------------------------------------------

    def published(self, published: Published) -> None:
        """Note what became durable: a row for each batch, origin, stream, reason and verdict."""
        for (epoch, stream), rows in published.chains.items():
            origin = self._store.identities.node_of(epoch) or b""
            for alike, group in self._alike(rows, is_mixed=not QUIET.isdisjoint(published.kinds)).items():
                self._noted(origin, stream, alike, group)
        self._judged_anew(published.commit.verdicts)
        for proof in published.commit.proofs:
            origin = self._store.identities.node_of(proof.epoch) or b""
            self._note(
                Decision(
                    self._name(origin), "fork", proof.stream, "equivocation", "contested", (), proof.seq, proof.seq
                )
            )

    def _alike(self, rows: Sequence[Row], *, is_mixed: bool) -> Mapping[_Alike, Sequence[Row]]:
        """Sort the rows of a chain by what was decided; nearly always that is one thing for all."""
        if not self._clauses and not is_mixed:
            found = {row[_DECIDED] for row in rows}
            if len(found) == 1:
                last = rows[-1]
                return {_Alike(last.verdict, last.reason, last.withheld, quiet=False): rows}
        groups: dict[_Alike, list[Row]] = {}
        for row in rows:
            is_judged = row.verdict is Verdict.ACCEPTED  # while it is pending, its clause is of its change
            withheld = row.withheld or (self._clauses.pop(row.id, "") if is_judged else "")
            groups.setdefault(_Alike(row.verdict, row.reason, withheld, row.kind in QUIET), []).append(row)
        return groups

    def _noted(self, origin: bytes, stream: str, alike: _Alike, rows: Sequence[Row]) -> None:
        if alike.reason == REPLAYED:
            self._refusals[REPLAYED] += len(rows)
        clause = alike.withheld or self._door(origin, stream, rows[0].hlc.us)
        is_withheld = bool(clause) and alike.verdict is Verdict.ACCEPTED
        outcome, rule = ("withheld", clause) if is_withheld else (_VERDICTS[alike.verdict], alike.reason)
        ids = tuple([row.id for row in rows])
        span = (rows[0].seq, rows[-1].seq, len(rows))
        self._note(Decision(self._name(origin), "event", stream, rule, outcome, ids, *span, alike.quiet))

    def _judged_anew(self, changes: Iterable[VerdictChange]) -> None:
        groups: dict[tuple[Verdict, str, str], list[bytes]] = {}
        for change in changes:
            clause = change.withheld or self._clauses.pop(change.id, "")
            groups.setdefault((change.verdict, change.reason, clause), []).append(change.id)
        for (verdict, reason, clause), ids in groups.items():
            outcome = f"judged anew: {'withheld' if clause else _VERDICTS[verdict]}"
            self._note(Decision(OWN, "event", "", clause or reason, outcome, tuple(ids), times=len(ids)))

    def erased(self, gone: Erased) -> None:
        """Note that a body went, by whose word and why: that it happened stays."""
        by = gone.by if isinstance(gone.by, str) else self._name(gone.by)
        self._note(Decision(by, "erase", gone.stream, gone.reason, "erased", (gone.event,)))

    def pruned(self, gap: Gap, dropped: int) -> None:
        """Note that retention let events of a chain go, up to one that a checkpoint names."""
        ids = (gap.id,)
        self._note(Decision(OWN, "erase", gap.stream, "retention", "pruned", ids, gap.after + 1, gap.seq, dropped))

    def dropped(self, rows: Sequence[Row]) -> None:
        """Note that retention let what was said go, of events of one chain that stay."""
        ids, span = tuple(row.id for row in rows), (rows[0].seq, rows[-1].seq, len(rows))
        self._note(Decision(OWN, "erase", rows[0].stream, "retention", "erased", ids, *span))

    def reported(self, carrier: bytes | None, report: Report) -> None:
        """Note what was refused from a carrier, and what there was no room for."""
        for rejection in report.refused:
            self._refused(carrier, rejection, "refused")
        for rejection in report.deferred:
            if rejection.reason in _PUT_OFF:
                self._refused(carrier, rejection, "put off")

    def _refused(self, carrier: bytes | None, rejection: Rejection, outcome: str) -> None:
        actor = OWN if carrier is None else carrier.hex()
        self._note(Decision(actor, "event", "", rejection.reason, outcome, (rejection.id,)))

    # --- peers ---------------------------------------------------------------------------------

    def peering(self, node: bytes, received: Input, before: Peer, after: Peer) -> None:
        """Note what became of a peer by a human here or by its own word: who accepted, at which tier."""
        if isinstance(received, LinkOpened | TierReceived) and (before.state, before.tier) == (after.state, after.tier):
            return
        terms = f"{after.state}, tier {after.tier}{', paused' if after.is_paused else ''}"
        self._note(Decision(node.hex(), "peering", type(received).__name__, terms, "done"))

    def peering_refused(self, node: bytes, received: Input, code: str) -> None:
        """Note that what a human or the other node wished was refused."""
        self._note(Decision(node.hex(), "peering", type(received).__name__, code, "refused"))

    def link_ended(self, node: bytes, close: Close | None, *, by_peering: bool = False) -> None:
        """Count and note that a link was closed for a reason; ``by_peering``: which a row about peering says, too."""
        if close is not None and close.code not in _ORDINARY and not close.code.startswith("peer_"):
            self._refusals[close.code] += 1
            self._note(Decision(node.hex(), "link", PEERING if by_peering else "", close.code, "closed"))

    def turned_away(self, address: str, code: str) -> None:
        """Note that a socket from an address became no link. A crowd's row waits for others: it costs no write."""
        if code not in _ORDINARY:
            self._note(Decision(address or OWN, "link", "handshake", code, "refused", quiet=code == BUSY))

    def record_refused(self, carrier: bytes, code: str) -> None:
        """Count and note that an identity record which a node brought is not taken."""
        self._refusals[code] += 1
        self._note(Decision(carrier.hex(), "link", "records", code, "refused"))

    def bad_answer(self, node: bytes, stream: str) -> None:
        """Count and note that a peer says that it pruned a chain, by a checkpoint that proves nothing."""
        self._refusals[BAD_CHECKPOINT] += 1
        self._note(Decision(node.hex(), "event", stream, BAD_CHECKPOINT, "refused"))

    def without_effect(self, node: bytes, row: Row, code: str) -> None:
        """Count and note that what a node wrote about an agreement changes nothing."""
        self._refusals[code] += 1
        self._note(Decision(self._name(node), "event", row.stream, code, "without effect", (row.id,), row.seq, row.seq))

    def forbidden(self, node: bytes, row: Row) -> None:
        """Count and note that a peer asked for an event that it may not see."""
        self._refusals[NOT_VISIBLE] += 1
        self._note(Decision(node.hex(), "event", row.stream, NOT_VISIBLE, "not sent", (row.id,), row.seq, row.seq))

    def not_countersigned(self, node: bytes, row: Row, code: str) -> None:
        """Count and note that a node's audit log is not the one that it told of before, or not signed."""
        self._refusals[code] += 1
        self._note(Decision(node.hex(), "peering", row.stream, code, "not countersigned", (row.id,)))

    def learned(self, node: bytes) -> None:
        """Note that a node's identity changed here: it rotated its keys, or recovered."""
        newest = self._store.identities.newest(node)
        if newest is not None:
            self._note(Decision(self._name(node), "key", newest.record.cause, "", "followed", (newest.id,)))

    # --- this node's own doors -------------------------------------------------------------------

    def federation_refused(self, node: bytes | None, address: str, request: str, code: str) -> None:
        """Note that an HTTP request of another node was refused; ``node`` where its signature proved who asked."""
        self._say(node.hex() if node else address, "federation", request, code, "refused")

    def author_refused(self, draft: Draft, error: FoedusError) -> None:
        """Note that an act was refused before it was ordered."""
        author = draft.act.author
        self._say(author if isinstance(author, str) else OWN, "author", draft.stream, error.code, "refused")

    def approval(self, approval: Approval) -> None:
        """Note that an agent's act waits for a human, which is counted, or what the human said to it."""
        self._refusals[approval.clause] += approval.state == "waiting" and not approval.humans
        humans = approval.humans or ((OPERATOR,) if approval.state == "denied" else ())
        actor = humans[-1] if humans and approval.state in {"waiting", "allowed", "denied"} else approval.did
        self._say(actor, "approval", approval.stream, approval.clause, approval.state)

    def operation(self, actor: str, operation: str, code: str) -> None:
        """Note what was done over the API, or ('' if it was done) by which code it was refused."""
        self._say(actor, "operator", operation, code, "refused" if code else "done")

    def _say(self, actor: str, act: Act, subject: str, rule: str, outcome: str) -> None:
        self._note(Decision(actor, act, subject, rule, outcome))

    def _name(self, origin: bytes) -> str:
        return OWN if origin == self._store.node else origin.hex()
