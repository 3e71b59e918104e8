"""Questions at this node: what links bring and people ask goes over the desk, and its effects are run here."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.node.answering import Answerer
from foedus.node.query_asking import Asking
from foedus.node.query_carrying import QueryCarrier
from foedus.node.query_judging import NO_LINK, Judge
from foedus.node.routing import Routing
from foedus.node.substrate_feed import SubstrateFeed
from foedus.query.desk import Desk, Opening
from foedus.query.inquiry import OUTCOMES, Effect, Entry, Finish, Forget, Forward, Give, Look, Outcome, Report, Stop
from foedus.query.limits import IN_FLIGHT_PER_PEER, SKEW_MAX
from foedus.query.port import Reader, Substrate
from foedus.query.question import Question, id_of
from foedus.sync.frames.questions import Answered, Cancel, Query, QueryReport, Results

if TYPE_CHECKING:
    from foedus.node.composition import Node
    from foedus.node.http_line import Line

log = logging.getLogger("foedus.queries")

ROUTED = "routed"
"""Why a peer is not asked: others are more likely to know."""


class Signed(NamedTuple):
    """A question with its signatures, and the events that it stands on."""

    data: bytes
    asig: bytes | None
    sig: bytes
    evidence: tuple[bytes, ...]


class _Held(NamedTuple):
    """A question under way here. ``path``: whom it came through, without this node."""

    question: Question
    signed: Signed
    path: tuple[bytes, ...]
    reader: Reader
    deadline: Instant


class Queries:
    """One per node. ``answerer`` searches what this node knows."""

    def __init__(self, node: Node) -> None:
        self.judge = Judge(node)
        self.answerer = Answerer(node, self.judge)
        self.routing = Routing(node)
        self.refused: Counter[str] = Counter()
        """Questions of others that were not answered, by clause."""
        self.on_judged: Callable[[bytes, str, str], None] = lambda _carrier, _kind, _clause: None
        """(carrier, kind, clause or ''): a question of a peer was judged."""
        self._node = node
        self._desk = Desk(node.store.node)
        self._held: dict[bytes, _Held] = {}
        self._asking: dict[bytes, Asking] = {}
        self._looking: dict[bytes, asyncio.Task[None]] = {}
        self._judging: Counter[bytes] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._carrier = QueryCarrier(node, self.judge, self._spawn, self.refused)
        self._timer: asyncio.TimerHandle | None = None
        self._feed: SubstrateFeed | None = None
        self._feeding: asyncio.Task[None] | None = None

    @property
    def under_way(self) -> int:
        """Questions that have not ended."""
        return len(self._desk)

    def use(self, substrate: Substrate) -> None:
        """Let another memory system stand behind this node, once it runs: it answers, and is told what is new."""
        self._stop_feeding()
        self.answerer.substrate = substrate
        self._feed = SubstrateFeed(self._node, substrate)
        self._feeding = self._spawn(self._feed.run())

    def _stop_feeding(self) -> None:
        if self._feed is not None and self._feeding is not None:
            self._feed.close()
            self._feeding.cancel()

    async def close(self) -> None:
        """End everything; nobody is told."""
        if self._timer is not None:
            self._timer.cancel()
        self._stop_feeding()
        self.routing.close()
        for asking in self._asking.values():
            asking.end(())
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- asked here --------------------------------------------------------------------------

    def ask(self, question: Question, signed: Signed, peers: Sequence[bytes], reports: Sequence[Report]) -> Asking:
        """Ask ``peers`` and this node. ``reports``: of peers that are not asked."""
        now = self._node.store.now()
        query = id_of(signed.data)
        asking = Asking(self._node, self.judge, query, question)
        reader = self.judge.reader(question, None)
        self._held[query] = _Held(question, signed, (), reader, question.deadline)
        self._asking[query] = asking
        until = question.deadline + SKEW_MAX
        opening = Opening(query, question.node, None, question.deadline, until, peers, reports)
        self._run(self._desk.open(opening, now))
        return asking

    def give_up(self, query: bytes) -> None:
        """Nobody here waits for an answer any more."""
        self._run(self._desk.cancel(query, None))
        self._asking.pop(query, None)

    # --- what links bring --------------------------------------------------------------------

    def frame(self, line: Line, frame: Query | Results | Answered | Cancel) -> None:
        """Take a frame of a peer."""
        match frame:
            case Query():
                self._arrived(line.node, frame)
            case Results(query=query, results=results):
                self._run(self._desk.came(query, line.node, [Entry(*result) for result in results]))
            case Answered(query=query, reports=reports):
                self._run(self._desk.over(query, line.node, [_report(report) for report in reports]))
            case Cancel(query=query):
                self._run(self._desk.cancel(query, line.node))

    def ended(self, line: Line) -> None:
        """Take note that a way to a peer ended."""
        self.routing.ended(line)
        self._run(self._desk.lost(line.node))

    def _arrived(self, carrier: bytes, frame: Query) -> None:
        query = id_of(frame.question)
        if query in self._desk.seen:
            self._refuse(query, carrier, "seen")
            return
        try:
            clause = self.judge.clause(carrier)
            if not clause and self._judging[carrier] >= IN_FLIGHT_PER_PEER:
                clause = "busy"
            self._node.rates.take("queries_per_peer", carrier.hex())
        except FoedusError as error:
            clause = error.code
        if clause:
            self._refuse(query, carrier, clause)
            return
        self._judging[carrier] += 1
        self._spawn(self._take(query, carrier, frame, self._node.store.now() + frame.left))

    async def _take(self, query: bytes, carrier: bytes, frame: Query, deadline: Instant) -> None:
        """Judge a question, and open it."""
        try:
            question, reader = await self.judge.judge(frame, carrier, deadline)
        except FoedusError as error:
            self._refuse(query, carrier, error.code)
            return
        finally:
            self._judging[carrier] -= 1
            if not self._judging[carrier]:
                del self._judging[carrier]
        peers, reports = await self._further(question, frame.path, reader)
        if query in self._desk.seen:  # it came another way while this one was judged
            self._refuse(query, carrier, "seen")
            return
        signed = Signed(frame.question, frame.asig, frame.sig, frame.evidence)
        self._held[query] = _Held(question, signed, frame.path, reader, deadline)
        self.on_judged(carrier, question.kind, "")
        opening = Opening(query, question.node, carrier, deadline, question.deadline + SKEW_MAX, peers, reports)
        self._run(self._desk.open(opening, self._node.store.now()))

    async def _further(
        self, question: Question, path: Sequence[bytes], reader: Reader
    ) -> tuple[list[bytes], list[Report]]:
        """Return the peers that a question goes on to, and what is told of the others."""
        if question.scope != "global" or len(path) >= question.hops:
            return [], []
        peers, passed_over = self.judge.targets(path)
        peers = await self.routing.choose(question, peers, path)
        named = self.judge.tells_peers(reader.tier)
        reports = reports_of(passed_over)
        return peers, [report for report in reports if report.outcome == "unreachable"] if named else []

    def _refuse(self, query: bytes, carrier: bytes, clause: str) -> None:
        if clause != "seen":
            self._count(carrier, clause)
        own = self._node.store.node
        report = Report(own, "seen") if clause == "seen" else Report(own, "refused", clause)
        self._carrier.tell(query, carrier, (report,))

    def _count(self, carrier: bytes, clause: str) -> None:
        self.refused[clause] += 1
        self.on_judged(carrier, "", clause)

    # --- effects -----------------------------------------------------------------------------

    def _run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Look(query=query, deadline=deadline):
                    self._looking[query] = self._spawn(self._look(query, deadline))
                case Forward(query=query, peer=peer, left=left):
                    self._forward(query, peer, left)
                case Give():
                    self._give(effect)
                case Finish(query=query, to=to, reports=reports):
                    self._finish(query, to, reports)
                case Forget(query=query):
                    self._held.pop(query, None)
                    self._carrier.forget(query)
                case Stop(query=query, peer=None):
                    self._stop_looking(query)
                case Stop(query=query, peer=peer) if peer is not None:
                    self._carrier.send(peer, Cancel(query))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._desk.next_deadline()
        if due is not None:
            delay_s = max(0.0, (due - self._node.store.now()) / SECOND)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._run(self._desk.on_deadline(self._node.store.now()))

    async def _look(self, query: bytes, deadline: Instant) -> None:
        held = self._held.get(query)
        if held is None:
            return
        entries, report = await self.answerer.answer(query, held.question, held.reader, deadline)
        self._looking.pop(query, None)
        self._run(self._desk.found(query, entries, report))

    def _stop_looking(self, query: bytes) -> None:
        task = self._looking.pop(query, None)
        if task is not None:
            task.cancel()

    def _forward(self, query: bytes, peer: bytes, left: int) -> None:
        held = self._held.get(query)
        if held is None:
            return
        data, asig, sig, evidence = held.signed
        frame = Query(data, asig, sig, evidence, (*held.path, self._node.store.node), left)
        if not self._carrier.ask(peer, frame, held.question.node):
            self._run(self._desk.over(query, peer, [Report(peer, "unreachable")]))

    def _give(self, given: Give) -> None:
        if given.to is not None:
            self._carrier.give(given.query, given.to, given.entries, self._held[given.query].deadline)
        elif given.query in self._asking:
            self._asking[given.query].take(given.entries, given.by)

    def _finish(self, query: bytes, to: bytes | None, reports: tuple[Report, ...]) -> None:
        held = self._held.pop(query, None)
        self._looking.pop(query, None)
        if to is None:
            asking = self._asking.pop(query, None)
            if asking is not None:
                asking.end(reports)
            return
        own = self._node.store.node
        for code in (report.code for report in reports if (report.node, report.outcome) == (own, "refused")):
            self._count(to, code)
        if held is not None and not self.judge.tells_peers(held.reader.tier):
            reports = self._without_names(reports)
        self._carrier.finish(query, to, reports)

    def _without_names(self, reports: tuple[Report, ...]) -> tuple[Report, ...]:
        """Name this node alone: the reader may not know with whom it is connected."""
        own = tuple(report for report in reports if report.node == self._node.store.node)
        others = len({report.node for report in reports}) - (1 if own else 0)
        return (*own, Report(None, "silent", "", others)) if others else own

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a question failed", exc_info=error)


def reports_of(passed_over: dict[bytes, str]) -> list[Report]:
    """Return what is told to who asks of the peers that are not asked."""
    outcomes: dict[str, Outcome] = {
        "unreachable": "unreachable",
        NO_LINK: "unreachable",
        "not_asked": "not_asked",
        ROUTED: "not_asked",
    }
    codes = {"unreachable": "", "not_asked": ""}
    return [Report(peer, outcomes.get(why, "refused"), codes.get(why, why)) for peer, why in passed_over.items()]


def _report(report: QueryReport) -> Report:
    """Return what a peer told of a node; an outcome that is not known here counts as a failure."""
    outcome = report.outcome if report.outcome in OUTCOMES else "failed"
    return Report(report.node, outcome, report.code, report.results)  # type: ignore[arg-type]  # just looked up
