"""Knowledge and tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.node.knowledge_api import LIST_MAX, SEARCH_MAX
from foedus.node.knowledge_forms import Form
from foedus.surfaces.http.bodies import ActInput, Input, Target
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import CURSOR_MAX, SEARCH_TEXT_MAX, TARGET_MAX
from foedus.surfaces.http.operations import Call, Number, Operation, Text
from foedus.surfaces.http.problems import MalformedRequest
from foedus.values.consent import ApprovalView
from foedus.values.knowledge import (
    EnvelopeView,
    HistoryView,
    KnowledgePlaced,
    PacketsPage,
    PacketView,
    TasksPage,
    TaskView,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from foedus.node.api import NodeService


Forms = Annotated[list[Form], Meta(max_length=BATCH_EVENTS_MAX)]


class SignedInput(Input, frozen=True):
    """Acts about packets and tasks of one domain, signed on a device."""

    domain: Target
    acts: Annotated[list[ActInput], Meta(min_length=1, max_length=BATCH_EVENTS_MAX)]


_DOMAIN = Text(name="domain", about="of this domain alone", max_length=TARGET_MAX)
_AFTER = Text(name="after", about="cursor of an earlier answer", max_length=CURSOR_MAX)
_LIMIT = Number(name="limit", about="at most", default=50, minimum=1, maximum=LIST_MAX)


async def _tell(node: NodeService, call: Call) -> KnowledgePlaced:
    return (await node.knowledge_tell([call.body]))[0]


def _search(node: NodeService, call: Call) -> Awaitable[list[PacketView]]:
    if "q" not in call.query:
        raise MalformedRequest("what is looked for? give q")
    return node.knowledge_search(call.query["q"], domain=call.query.get("domain", ""), limit=call.query["limit"])


def _page(call: Call) -> dict[str, Any]:
    return {"domain": call.query.get("domain", ""), "after": call.query.get("after", ""), "limit": call.query["limit"]}


KNOWLEDGE = [
    Operation(
        method="POST",
        path="/knowledge/acts",
        about="Tell something about a packet or a task, as a custodial agent or the node itself. Durable when answered",
        answer=KnowledgePlaced,
        status=201,
        body=Form,
        rule=Rule.SELF,
        run=_tell,
    ),
    Operation(
        method="POST",
        path="/knowledge/acts:batch",
        about="Tell several things in order, all or none",
        answer=list[KnowledgePlaced],
        status=201,
        body=Forms,
        rule=Rule.SELF,
        run=lambda node, call: node.knowledge_tell(call.body),
    ),
    Operation(
        method="POST",
        path="/knowledge/acts:signed",
        about="The same, signed on a device: all or none",
        answer=list[KnowledgePlaced],
        status=201,
        body=SignedInput,
        rule=Rule.SELF,
        run=lambda node, call: node.knowledge_signed(call.body.domain, [act.value() for act in call.body.acts]),
    ),
    Operation(
        method="POST",
        path="/knowledge/approvals",
        about="Ask a human to let an agent with a key of its own tell this, where it flows to peers and no grant "
        "carries it: it signs it then with the `salt` of the approval, and cites its `grants`",
        answer=ApprovalView,
        status=201,
        body=Form,
        rule=Rule.SELF,
        run=lambda node, call: node.knowledge_propose(call.body),
    ),
    Operation(
        method="GET",
        path="/knowledge/search",
        about="Packets that hold any of the words, the best first",
        answer=list[PacketView],
        query=(
            Text(name="q", about="what is looked for", max_length=SEARCH_TEXT_MAX),
            _DOMAIN,
            Number(name="limit", about="packets at most", default=20, minimum=1, maximum=SEARCH_MAX),
        ),
        rule=Rule.PARTICIPANT,
        run=_search,
    ),
    Operation(
        method="GET",
        path="/knowledge/packets",
        about="Packets in the order in which they came here",
        answer=PacketsPage,
        query=(_DOMAIN, _AFTER, _LIMIT),
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.knowledge_page(**_page(call)),
    ),
    Operation(
        method="GET",
        path="/knowledge/packets/{packet}",
        about="One packet",
        answer=PacketView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.knowledge_show(call.path["packet"]),
    ),
    Operation(
        method="GET",
        path="/knowledge/packets/{packet}/history",
        about="What was told about a packet, and all that it stands on",
        answer=HistoryView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.knowledge_history(call.path["packet"]),
    ),
    Operation(
        method="GET",
        path="/knowledge/packets/{packet}/envelope",
        about="The signed event by which a packet stands: what passes it on holds these bytes",
        answer=EnvelopeView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.knowledge_envelope(call.path["packet"]),
    ),
    Operation(
        method="GET",
        path="/tasks",
        about="Tasks in the order in which they came here",
        answer=TasksPage,
        query=(
            _DOMAIN,
            Text(name="state", about="offered, claimed, done or cancelled", max_length=TARGET_MAX),
            _AFTER,
            _LIMIT,
        ),
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.tasks(state=call.query.get("state", ""), **_page(call)),
    ),
    Operation(
        method="GET",
        path="/tasks/{task}",
        about="One task",
        answer=TaskView,
        rule=Rule.PARTICIPANT,
        run=lambda node, call: node.task(call.path["task"]),
    ),
]
