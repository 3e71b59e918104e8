"""What surfaces may do about questions: ask, and see what comes."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import decode
from foedus.base.errors import FoedusError, UsageError
from foedus.base.ids import parse_id, sha256
from foedus.base.limits import AUTH_MAX, NONCE_BYTES
from foedus.base.vectors import dimension_of
from foedus.log.grants import Grant
from foedus.log.participants import Participant
from foedus.node import query_evidence
from foedus.node.author import Draft
from foedus.node.codec import in_json
from foedus.node.invocations import signer_of
from foedus.node.queries import ROUTED, Signed, reports_of
from foedus.node.query_asking import Asking
from foedus.node.query_forms import Asked, AskedSigned
from foedus.node.query_judging import asked_of, crossing_of
from foedus.query.inquiry import Entry, Report
from foedus.query.limits import HOPS_MAX, LASTS_MAX, RESULTS_MAX, TEXT_MAX
from foedus.query.merge import Merged
from foedus.query.question import HOPS, Question, check_time, encode_question, id_of, parse_question, signing_bytes
from foedus.query.result import Result
from foedus.query.routing.vectors import BadVector, parse_vector, unit, vector_bytes
from foedus.trust.evaluator import Withhold
from foedus.values.consent import ApprovalView
from foedus.values.queries import AnswersView, FoundView, MergedView, NodeReport, VectorView

if TYPE_CHECKING:
    from foedus.node.approvals import Approval
    from foedus.node.composition import Node
    from foedus.node.views import Views

_STREAM = "participant:"
_GRANTS_MAX = AUTH_MAX - 1
"""Grants that a question cites beside the enrolment."""


class Coming:
    """What comes for one question. ``aclose`` gives it up, also where nobody began to read."""

    def __init__(self, coming: AsyncGenerator[FoundView | AnswersView, None], give_up: Callable[[], None]) -> None:
        self._coming = coming
        self._give_up = give_up

    def __aiter__(self) -> Coming:
        """Return this: it is read once."""
        return self

    async def __anext__(self) -> FoundView | AnswersView:
        """Return what comes next."""
        return await anext(self._coming)

    async def aclose(self) -> None:
        """Ask nobody any longer."""
        await self._coming.aclose()
        self._give_up()


class QueryOperations:
    """Operations on questions, for ``Service``."""

    _node: Node
    _views: Views

    if TYPE_CHECKING:

        def _approval_view(self, approval: Approval) -> ApprovalView: ...

    async def ask(self, asked: Asked | AskedSigned) -> AsyncIterator[FoundView | AnswersView]:
        """Ask, and return what comes: results as they come, at the end everything; the end by the deadline.

        Raises before anything is asked where nobody may be.
        """
        if isinstance(asked, AskedSigned):
            question, signed, who = self._signed(asked)
        else:
            question, signed, who = self._made(await self._with_vector(asked))
        self._node.rates.take("queries_per_participant", f"{question.node.hex()}:{who.did if who else ''}")
        peers, passed_over = self._peers(question)
        if who is not None and peers:
            await self._node.consent.done(who.did, sha256(asked_of(question)), id_of(signed.data))
        chosen = await self._node.queries.routing.choose(question, peers, ())
        reports = reports_of(passed_over | {peer: ROUTED for peer in peers if peer not in chosen})
        asking = self._node.queries.ask(question, signed, chosen, reports)
        return Coming(self._follow(asking, who), lambda: self._node.queries.give_up(asking.query))

    async def answers(self, asked: Asked | AskedSigned) -> AnswersView:
        """Ask, and return everything at the end."""
        async for found in await self.ask(asked):
            if isinstance(found, AnswersView):
                return found
        raise UsageError("the node stops", code="stopping", http_status=503, remedy="ask again when it runs")

    async def vector(self, text: str) -> VectorView:
        """Return a text as the node's embedder has it; raise NoEmbedder or NoVector."""
        meaning = await self._node.embedding.meaning_of(text)
        vector = meaning.vector
        return VectorView(model=meaning.model, dimension=dimension_of(vector), vector=to_base64url(vector))

    async def query_propose(self, asked: Asked) -> ApprovalView:
        """Ask a human to let an agent ask other nodes exactly this; nobody is asked twice.

        Raises UsageError where nothing has to be allowed. Once it is, for ten minutes, the agent asks (again).
        """
        who = self._node.agents.find(asked.as_)
        device = self._node.agents.device(who)
        question = replace(self._question(await self._with_vector(asked), who, device.key), auth=(device.enrolment,))
        crossings = [crossing_of(question, peer) for peer in self._node.queries.judge.targets(())[0]]
        return self._approval_view(await self._node.consent.propose(self._as_act(question), crossings))

    async def _with_vector(self, asked: Asked) -> Asked:
        """Return a question by meaning with its vector: of length 1, or made here of its text."""
        if asked.kind != "semantic":
            return asked
        if asked.vector:
            return replace(asked, vector=_unit_of(asked.vector))
        check_text(asked.text)
        meaning = await self._node.embedding.meaning_of(asked.text)
        return replace(asked, vector=meaning.vector, model=meaning.model)

    async def _follow(self, asking: Asking, who: Participant | None) -> AsyncGenerator[FoundView | AnswersView, None]:
        try:
            async for found in asking.results():
                await self._note_read(who, found.result)
                yield self._found(asking, found.result, found.entry)
            yield self._answers(asking)
        finally:
            self._node.queries.give_up(asking.query)

    async def _note_read(self, who: Participant | None, result: Result) -> None:
        """Remember, before it is shown, that an agent reads what another node wrote."""
        if who is not None and who.kind == "agent" and result.node != self._node.store.node:
            await self._node.consent.note_read(who.did)

    # --- the question ------------------------------------------------------------------------

    def _made(self, asked: Asked) -> tuple[Question, Signed, Participant | None]:
        """Return a question of a custodial agent, or of the node itself, signed."""
        who = self._node.agents.find(asked.as_) if asked.as_ else None
        key = self._node.agents.key(who) if who is not None else None
        question = self._question(asked, who, key.public if key is not None else None)
        auth = question.auth
        if who is not None and who.kind == "agent" and asked.scope != "local":
            grants = self._carrying(question)
            question = replace(question, auth=(*auth, *(grant.id for grant in grants)))
        data = _encoded(question)
        asig = key.sign(signing_bytes(data)) if key is not None else None
        return question, self._countersigned(data, asig, question), who

    def _question(self, asked: Asked, who: Participant | None, device: bytes | None) -> Question:
        """Return a question of a participant, or of the node itself; raise UsageError for what is out of bounds."""
        now = self._node.store.now()
        question = Question(
            v=1,
            node=self._node.store.node,
            epoch=self._node.store.epoch,
            asker=who.did if who is not None else self._node.store.node,
            device=device,
            kind=asked.kind,
            about=about_of(asked),
            scope=asked.scope,
            hops=HOPS[asked.scope] if asked.hops is None else asked.hops,
            results=asked.results,
            at=now,
            deadline=now + asked.wait_ms * 1_000,
            auth=(self._node.agents.enrolment(who),) if who is not None and who.custody == "node" else (),
            nonce=secrets.token_bytes(NONCE_BYTES),
        )
        check_asked(question)
        return question

    def _signed(self, asked: AskedSigned) -> tuple[Question, Signed, Participant | None]:
        """Return a question that a participant's device signed."""
        data, asig = from_base64url(asked.question, "question"), from_base64url(asked.asig, "asig")
        try:
            question = parse_question(data)
            check_time(question, self._node.store.now())
        except FoedusError as error:
            raise UsageError(str(error), code=error.code, remedy=error.remedy) from None
        who = signer_of(self._node, "question", question, question.asker, (signing_bytes(data), asig))
        return question, self._countersigned(data, asig, question), who

    def _countersigned(self, data: bytes, asig: bytes | None, question: Question) -> Signed:
        sig = self._node.store.keys.ed25519.sign(signing_bytes(data))
        evidence = query_evidence.gather(self._node.store, question.auth) if question.scope == "global" else ()
        return Signed(data, asig, sig, evidence)

    # --- whom to ask -------------------------------------------------------------------------

    def _peers(self, question: Question) -> tuple[list[bytes], dict[bytes, str]]:
        """Return the peers to ask and why others are not; raise where the asker may ask none of them."""
        if question.scope == "local":
            return [], {}
        peers, passed_over = self._node.queries.judge.targets(())
        if question.device is None:
            return peers, passed_over
        cited = self._cited(question)
        asked: list[bytes] = []
        for peer in peers:
            code = self._withheld(question, peer, cited)
            if code:
                passed_over[peer] = code
            else:
                asked.append(peer)
        refusals = {code for peer, code in passed_over.items() if peer in peers}
        if refusals and not asked:
            code = min(refusals)
            raise UsageError(
                f"no other node may be asked: {code}",
                code=code,
                http_status=403,
                remedy="a person allows it: once, if the agent asks for that (POST /api/v1/queries/approvals), or "
                "`foedus grant create AGENT --command query/ask --as NAME`",
            )
        return asked, passed_over

    def _cited(self, question: Question) -> list[Grant]:
        authority = self._node.store.admission.authority
        held = [event for event in map(authority.control, question.auth) if event is not None]
        grants = [grant for grant in map(authority.grant, held) if grant is not None]
        return [grant for grant in grants if grant.device.cuts is None and not authority.is_taken_back(grant)]

    def _withheld(self, question: Question, peer: bytes, cited: Sequence[Grant]) -> str:
        """Return the clause by which a peer would not answer the asker, as far as this node can tell, or ''."""
        draft = self._as_act(question)
        crossing = crossing_of(question, peer)
        now = self._node.store.now()
        decision = self._node.crossings.decide(crossing, draft.act, self._node.store.node, cited, now)
        return decision.code if isinstance(decision, Withhold) else ""

    def _carrying(self, question: Question) -> list[Grant]:
        """Return the grants by which an agent may ask the peers, as many of them as there are; else none."""
        draft = self._as_act(question)
        chosen: dict[bytes, Grant] = {}
        for peer in self._node.queries.judge.targets(())[0]:
            crossing = crossing_of(question, peer)
            try:
                found = self._node.consent.carrying(draft, crossing)
            except FoedusError:
                continue  # why it may not ask this peer is told with the others, by _withheld
            chosen |= {grant.id: grant for grant in found}
        return list(chosen.values())[:_GRANTS_MAX]

    def _as_act(self, question: Question) -> Draft:
        """Return the question as the evaluator looks at an act: who, and by which device."""
        draft = self._node.author.node_act(_STREAM, f"query.{question.kind}", asked_of(question), question.auth)
        act = replace(draft.act, author=question.asker, device=question.device)
        return draft._replace(act=act)

    # --- views -------------------------------------------------------------------------------

    def _found(self, asking: Asking, result: Result, entry: Entry) -> FoundView:
        via = asking.brought_by(entry)
        return FoundView(
            query=result.query.hex(),
            node=result.node.hex(),
            node_name=self._views.node_name(result.node),
            node_known_as=self._views.node_known_as(result.node),
            epoch=result.epoch.hex(),
            rank=result.rank,
            content=result.content.hex(),
            kind=result.kind,
            score=result.score,
            hlc=list(result.hlc),
            body=in_json(decode(result.body)),
            signed=to_base64url(entry.data),
            sig=to_base64url(entry.sig),
            via=via.hex() if via else "",
            via_name=self._views.node_name(via) if via else "",
            via_known_as=self._views.node_known_as(via) if via else "",
        )

    def _merged(self, asking: Asking, merged: Merged) -> MergedView:
        first = merged.sources[0]
        return MergedView(
            content=merged.content.hex(),
            kind=first.kind,
            fused=merged.fused,
            score=merged.score,
            hlc=list(merged.hlc),
            body=in_json(decode(first.body)),
            sources=[self._found(asking, result, asking.proof(result)) for result in merged.sources],
        )

    def _answers(self, asking: Asking) -> AnswersView:
        return AnswersView(
            query=asking.query.hex(),
            results=[self._merged(asking, merged) for merged in asking.ranking()],
            nodes=[self._report(report) for report in asking.reports],
            dropped=dict(asking.dropped),
            took_us=self._node.store.now() - asking.started,
        )

    def _report(self, report: Report) -> NodeReport:
        node = report.node
        return NodeReport(
            node=node.hex() if node else "",
            node_name=self._views.node_name(node) if node else "",
            node_known_as=self._views.node_known_as(node) if node else "",
            outcome=report.outcome,
            code=report.code,
            results=report.results,
        )


def about_of(asked: Asked) -> dict[str, Any]:
    """Return what a question is about, as its kind has it; raise UsageError."""
    match asked.kind:
        case "text":
            check_text(asked.text)
            return {"text": asked.text}
        case "semantic":
            return semantic_about(asked.text, asked.model, asked.vector)
        case "causal":
            return {"event": parse_id(asked.event)}
        case "capability":
            return {"text": asked.text}
        case "topology":
            return {}


def _unit_of(vector: bytes) -> bytes:
    """Return a vector with length 1; raise UsageError for one that is poisoned."""
    try:
        return vector_bytes(unit(parse_vector(vector, dimension_of(vector))))
    except BadVector as error:
        raise UsageError(f"the vector: {error}", code=error.code, remedy=error.remedy) from None


def semantic_about(text: str, model: str, vector: bytes) -> dict[str, Any]:
    """Return what a question by meaning is about."""
    return {"text": text, "model": model, "dimension": dimension_of(vector), "vector": vector}


def check_text(text: str) -> None:
    """Raise UsageError for a text that cannot be looked for."""
    if not 1 <= len(text.strip()) <= TEXT_MAX:
        raise UsageError(f"a text to look for has 1 to {TEXT_MAX} characters", code="bad_text")


def check_asked(question: Question) -> None:
    """Raise UsageError, naming what is out of its bounds."""
    lowest = {"local": 0, "direct": 1, "global": 1}[question.scope]
    highest = {"local": 0, "direct": 1, "global": HOPS_MAX}[question.scope]
    checks = (
        (lowest <= question.hops <= highest, f"hops of a {question.scope} question: {lowest} to {highest}", "bad_hops"),
        (1 <= question.results <= RESULTS_MAX, f"results: 1 to {RESULTS_MAX}", "bad_results"),
        (0 < question.deadline - question.at <= LASTS_MAX, f"the wait: up to {LASTS_MAX // 1000} ms", "bad_deadline"),
    )
    for holds, message, code in checks:
        if not holds:
            raise UsageError(message, code=code, remedy="docs/query.md has the bounds")


def _encoded(question: Question) -> bytes:
    try:
        return encode_question(question)
    except (FoedusError, ValueError) as error:
        raise UsageError(f"the question: {error}", code="malformed_query") from None
