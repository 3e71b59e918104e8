"""May this question be answered here, and to whom may it go on? Every no has a clause.

A question comes by a *carrier*, the peer at the other end of the link, and is of an *asking node*, the carrier itself
or one behind it. Both are judged: the carrier as any peer that asks; the asking node, where it is a peer here too, as
such, and where it is none by what this node gives the carrier: only what goes to a peer of tier CORE is passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from foedus.adapters.log_errors import DiskFull
from foedus.base.cbor import Malformed, decode, encode
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.log import streams
from foedus.log.grants import Grant
from foedus.log.participants import Participant
from foedus.node.invocation_nonces import InvocationNonces
from foedus.node.invocations import Signatures, decide_here, fault_of, in_force, is_enrolled
from foedus.node.query_evidence import Evidence
from foedus.node.spending import Spending, Spent
from foedus.query.kinds import IN_STREAMS
from foedus.query.limits import FANOUT_MAX, SKEW_MAX
from foedus.query.port import Reader
from foedus.query.question import Question, check_time, parse_question, signing_bytes
from foedus.query.result import Result
from foedus.sync.frames.questions import Query
from foedus.trust.border import ASK, Crossing
from foedus.trust.evaluator import Withhold
from foedus.trust.peer import State
from foedus.trust.policy import TellsPeers
from foedus.trust.tiers import Tier, may_query, passes_on

if TYPE_CHECKING:
    from foedus.node.composition import Node

NO_LINK = "no_link"
"""Why a peer is not asked with which events are exchanged by HTTP: it takes questions on links alone, or not yet."""
EVIDENCE_WAIT = 2 * SECOND
"""How long a question waits for events and records that travel beside it."""


class NotAnswered(UsageError):
    """The question is not answered here; ``code`` is the clause."""

    code = "refused"
    http_status = 403
    remedy = "see docs/query.md, who may ask"


class Judge:
    """Judges questions of others. ``spending`` serves calls too.

    ``changed`` is set, and made anew, whenever something became durable.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.spending = Spending(InvocationNonces(node.store), node.crossings)
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Let those who wait for events or records look again."""
        if not self._changed.is_set():
            self._changed.set()

    async def until(self, condition: Callable[[], bool], deadline: Instant) -> bool:
        """Wait until a condition about what is held is true; return whether it is, at the deadline at the latest."""
        while not condition():
            self._changed.clear()
            left_us = deadline - self._node.store.now()
            if left_us <= 0:
                return False
            try:
                async with asyncio.timeout(left_us / SECOND):
                    await self._changed.wait()
            except TimeoutError:
                return condition()
        return True

    def holds(self, epoch: bytes) -> bool:
        """Whether it is known here whose epoch this is."""
        return self._node.store.identities.epoch(epoch) is not None

    async def learns(self, epoch: bytes, until: Instant) -> bool:
        """Wait for the identity of who signed something, but not for long; return whether it is known."""
        soon = min(until, self._node.store.now() + EVIDENCE_WAIT)
        return await self.until(lambda: self.holds(epoch), soon)

    # --- peers -------------------------------------------------------------------------------

    def clause(self, peer: bytes) -> str:
        """Return the clause by which a peer may not ask here, or ''."""
        known = self._node.peers.book.peers.get(peer)
        if known is None or known.state is not State.CONNECTED:
            return "not_connected"
        if known.is_paused:
            return "paused"
        if not may_query(known.tier):
            return "tier"
        return self._by_agreement(peer, peer)

    def _by_agreement(self, peer: bytes, asker: bytes) -> str:
        """Return the clause of the agreement with ``peer`` by which ``asker``, one of the two, may not ask, or ''."""
        terms = self._node.agreements.in_force(peer)
        if terms is None:
            return "agreement.ended"
        if terms.is_ended:
            return "agreement.ended"
        if terms.is_expired(self._node.store.now()):
            return "agreement.expires"
        refused = terms.allows_command(asker, ASK)
        return f"agreement.{refused}" if refused else ""

    def _of_asking(self, node: bytes, carrier: bytes) -> str:
        """Return the clause by which an asking node behind a carrier is not answered, or ''."""
        known = self._node.peers.book.peers.get(node)
        if known is not None and known.state is State.IGNORED:
            return "ignored"
        if known is not None and known.state is State.CONNECTED:
            return self.clause(node)
        if known is not None and known.is_barred:  # our human's last word to it was no
            return "not_connected"
        return "" if passes_on(self._tier(carrier)) else "tier"

    def _tier(self, peer: bytes) -> Tier:
        return self._node.audience.tier(peer) or Tier.UNKNOWN

    def targets(self, path: Sequence[bytes]) -> tuple[list[bytes], dict[bytes, str]]:
        """Return the peers that a question goes on to, and why others get none. ``path``: whom it came through.

        It goes on only where each of those that are peers here has a tier that is passed on.
        """
        own = self._node.store.node
        origins = {node for node in (path[0], path[-1]) if node != own} if path else set()
        if any((tier := self._node.audience.tier(node)) is not None and not passes_on(tier) for node in origins):
            return [], {}
        asked: list[bytes] = []
        passed_over: dict[bytes, str] = {}
        for peer, known in sorted(self._node.peers.book.peers.items()):
            if known.state is not State.CONNECTED or peer in path:
                continue
            why = self._not_asked(peer, is_paused=known.is_paused)
            if not why and len(asked) == FANOUT_MAX:
                why = "not_asked"
            if why:
                passed_over[peer] = why
            else:
                asked.append(peer)
        return asked, passed_over

    def _not_asked(self, peer: bytes, *, is_paused: bool) -> str:
        if is_paused:
            return "paused"
        clause = self._by_agreement(peer, self._node.store.node)
        if clause:
            return clause
        line = self._node.lines.get(peer)
        if line is None:
            return NO_LINK if self._node.fallback_kind(peer) != "none" else "unreachable"
        return "" if line.speaks("queries") else "no_capability"

    def tells_peers(self, tier: str) -> bool:
        """Whether a reader of a tier ('' here) is told who is connected with this node."""
        match self._node.policy.current.policy.tells_peers:
            case TellsPeers.NOBODY:
                return not tier
            case TellsPeers.CORE:
                return tier in {"", Tier.CORE.value}
            case TellsPeers.CONNECTED:
                return True

    # --- questions ---------------------------------------------------------------------------

    async def judge(self, frame: Query, carrier: bytes, deadline: Instant) -> tuple[Question, Reader]:
        """Return a question that may be answered, and for whom; raise NotAnswered or what reading it finds."""
        question = parse_question(frame.question)
        check_time(question, self._node.store.now())
        self._check_way(question, frame.path, carrier)
        soon = min(deadline, self._node.store.now() + EVIDENCE_WAIT)
        await self._check_node(question, frame, soon)
        self._node.rates.take("queries_per_participant", f"{question.node.hex()}:{_name(question)}")
        await self._check_asker(question, frame, soon)
        return question, self.reader(question, carrier)

    def _check_way(self, question: Question, path: Sequence[bytes], carrier: bytes) -> None:
        is_path = path[0] == question.node and path[-1] == carrier and len(set(path)) == len(path)
        if not is_path or len(path) > question.hops:
            raise NotAnswered("the path of the question does not fit it", code="bad_path")
        if self._node.store.node in path:
            raise NotAnswered("the question came through here", code="seen")
        clause = "" if carrier == question.node else self._of_asking(question.node, carrier)
        if clause:
            raise NotAnswered("the asking node may not ask here", code=clause)

    async def _check_node(self, question: Question, frame: Query, soon: Instant) -> None:
        identities = self._node.store.identities
        if not await self.until(lambda: identities.epoch(question.epoch) is not None, soon):
            raise NotAnswered("the identity of the asking node is not known here", code="unknown_identity")
        fault = fault_of(self._node, question, Signatures(signing_bytes(frame.question), frame.sig, frame.asig))
        if fault == "superseded":
            raise NotAnswered("the question is signed by another epoch than the one in force", code=fault)
        if fault:
            raise NotAnswered("the question is not signed by its asker and its node", code=fault)

    async def _check_asker(self, question: Question, frame: Query, soon: Instant) -> None:
        crossing = crossing_of(question, self._node.store.node)
        if question.device is None:
            terms = self._node.agreements.border_terms(question.node, self._node.store.node)
            if terms.named_only:
                raise NotAnswered("only named people may ask", code="agreement.humans")
            return
        who, grants = await self._people(question, frame, soon)
        if not is_enrolled(who, question):
            raise NotAnswered("the device is not enrolled for the asker", code="unknown_device")
        grants = in_force(grants)
        decision = decide_here(self._node, question, crossing, who, grants)
        if isinstance(decision, Withhold):
            raise NotAnswered("the asker may not ask here", code=decision.code)
        if who.did not in decision.humans:
            await self._spend(question, grants)

    async def _people(self, question: Question, frame: Query, soon: Instant) -> tuple[Participant, list[Grant]]:
        """Return the asker and the grants cited: as this node holds them of its peers, else as the question shows."""
        authority = self._node.store.admission.authority
        known = self._node.peers.book.peers.get(question.node)
        if known is not None and known.state is State.CONNECTED:
            await self.until(lambda: all(authority.control(cited) for cited in question.auth), soon)
            held = [event for event in map(authority.control, question.auth) if event is not None]
            people, grants = authority.participants, [grant for grant in map(authority.grant, held) if grant]
            who = people.get((question.node, question.asker))
        else:
            evidence = Evidence(self._node.store, question.node, frame.evidence)
            who, grants = evidence.people.get(question.asker), evidence.grants(question.auth)
        if who is None:
            raise NotAnswered("the asker is not known here", code="unknown_participant")
        return who, grants

    async def _spend(self, question: Question, grants: Sequence[Grant]) -> None:
        """Count a question against its grants, and let it serve once here, durably."""
        expires = (question.deadline + SKEW_MAX) // SECOND + 1
        once = Spent(did_of(question.device or b""), question.nonce, expires)
        bill = self.spending.take([once], grants, self._node.store.now())
        try:
            await self._node.store.put(*bill.values)
        except DiskFull:
            self.spending.give_back(bill)
            raise

    def reader(self, question: Question, carrier: bytes | None) -> Reader:
        """Return for whom a question is answered: ``carrier`` None where somebody asks here."""
        did = question.asker if isinstance(question.asker, str) else ""
        if carrier is None:
            return Reader(question.node, did, None, "", lambda stream, _origin: self._may_see_here(did, stream))
        node = question.node
        tier = self._node.audience.tier(node) or self._tier(carrier)
        return Reader(
            node, did, carrier, tier.value, lambda stream, origin: self._may_see_there(node, carrier, stream, origin)
        )

    def _may_see_there(self, node: bytes, carrier: bytes, stream: str, origin: bytes) -> bool:
        """Whether an asking node may be told of a stream; behind a peer: of knowledge, which that peer may pass on."""
        audience = self._node.audience
        if audience.tier(node) is not None:
            return audience.may_be_told(node, stream, origin)
        return streams.parse(stream).kind == "knowledge" and audience.may_be_told(carrier, stream, origin)

    def _may_see_here(self, did: str, stream: str) -> bool:
        """Whether a participant of this node ('' the node itself) may be shown what is in a stream."""
        if not did:
            return True
        kind, subject = streams.parse(stream)
        if kind == "participant":
            return subject == did
        if kind == "knowledge":
            return True
        if kind not in {"room", "members"}:
            return False
        room = self._node.store.admission.authority.rooms.get(bytes.fromhex(subject))
        return room is not None and room.of(self._node.store.node, did) is not None

    def may_have(self, question: Question, result: Result) -> bool:
        """Whether who asks here may be shown a result: of rooms that its node is in, those that it is in itself."""
        did = question.asker if isinstance(question.asker, str) else ""
        body = decode(result.body) if did and result.kind in IN_STREAMS else {}
        stream = body.get("stream")
        try:
            return not isinstance(stream, str) or self._may_see_here(did, stream)
        except Malformed:
            return False


def crossing_of(question: Question, host: bytes) -> Crossing:
    """Return what a question asks of a node. ``digest`` is of what is asked, so that a human can allow that alone."""
    arguments = {"host": host.hex(), "kind": f"query.{question.kind}", "digest": sha256(asked_of(question)).hex()}
    return Crossing(ASK, arguments)


def asked_of(question: Question) -> bytes:
    """Return the canonical bytes of what is asked: the same whenever, and however far."""
    return encode({"about": question.about, "kind": question.kind})


def _name(question: Question) -> str:
    return question.asker if isinstance(question.asker, str) else ""
