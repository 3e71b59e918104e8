"""Other nodes: which there are, asking them, and calling what their agents offer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from foedus.base.errors import UsageError
from foedus.sdk.asking import Question
from foedus.sdk.calling import Calling
from foedus.surfaces.mcp import values
from foedus.surfaces.mcp.desk import Desk
from foedus.surfaces.mcp.shaping import Shaper, waiting
from foedus.surfaces.mcp.tool import Takes, tool
from foedus.surfaces.mcp.tools.rooms import WAIT_MAX_S

Scope = Annotated[
    Literal["local", "direct", "global"],
    Meta(description="local: this node; direct: its peers, too; global: those behind them, too."),
]
WaitS = Annotated[float, Meta(gt=0, le=WAIT_MAX_S, description="Seconds until the deadline.")]
_CALL_TEXT = Annotated[str, Meta(max_length=64)]


class _Nothing(Takes, frozen=True):
    pass


class _Ask(Takes, frozen=True):
    text: Annotated[str, Meta(min_length=1, max_length=1_024)]
    scope: Scope = "direct"
    results: Annotated[int, Meta(ge=1, le=100)] = 10
    wait_s: WaitS = 5


class _Find(Takes, frozen=True):
    text: Annotated[str, Meta(max_length=1_024, description="Words of name or description; '' for all.")] = ""
    scope: Scope = "direct"
    wait_s: WaitS = 5


class _Call(Takes, frozen=True):
    node: Annotated[str, Meta(max_length=64, description="The id of the node where it was found; '' for this one.")]
    name: _CALL_TEXT
    offer: Annotated[str, Meta(min_length=64, max_length=64, description="The offer's id, as it was found.")]
    input: Annotated[Any, Meta(description="As the capability's `takes` says.")] = None
    wait_s: WaitS = 30


class _Status(Takes, frozen=True):
    call: Annotated[str, Meta(min_length=1, max_length=64, description="The call's id.")]


@tool(_Nothing, values.Who, reads=True)
async def who_am_i(desk: Desk, _: _Nothing) -> values.Who:
    """Say who you are at which node: your DID, by which others know you, and the node's."""
    caller, node = await desk.client.access.caller(), await desk.client.node.identity()
    return values.Who(
        did=caller.did,
        name=caller.name,
        kind=caller.kind,
        node=node.node,
        node_name=node.name,
        node_did=node.did,
        version=node.version,
    )


@tool(_Nothing, values.Peers, reads=True)
async def list_peers(desk: Desk, _: _Nothing) -> values.Peers:
    """List the nodes that this one is connected with: how far each is trusted, and whether it can be reached now."""
    answers = await desk.client.queries.ask(Question(kind="topology", scope="local", results=100, wait_s=5))
    shaper, names = desk.shaper(), await _names(desk)
    peers = []
    for it in answers.results:
        node = next((end for end in it.body["between"] if end != desk.own), "")
        told = shaper.told(shaper.at(node), {"name": names[node]}, "a claim") if node in names else None
        peers.append(values.Peer(node=node, tier=str(it.body["tier"]), link=str(it.body["link"]), told=told))
    return values.Peers(peers=peers)


@tool(_Ask, values.Answers, reads=True)
async def ask_federation(desk: Desk, asked: _Ask) -> values.Answers:
    """Ask this node, its peers and those behind them for what they know.

    Messages and knowledge that hold the words or mean the same. Other nodes answer you only with a person's grant
    (query/ask); `nodes` says how each did.
    """
    question = Question(text=asked.text, scope=asked.scope, results=asked.results, wait_s=asked.wait_s)
    answers = await desk.client.queries.ask(question)
    shaper = desk.shaper()
    return values.Answers(results=[shaper.found(it) for it in answers.results], nodes=shaper.outcomes(answers))


@tool(_Find, values.Capabilities, reads=True)
async def find_capabilities(desk: Desk, asked: _Find) -> values.Capabilities:
    """Find what agents of this node and others offer to do.

    Call one with the node, name and offer that it has here.
    """
    question = Question(kind="capability", text=asked.text, scope=asked.scope, results=50, wait_s=asked.wait_s)
    answers = await desk.client.queries.ask(question)
    shaper = desk.shaper()
    found = [_capability(shaper, it.content, it.sources[0].node, it.body) for it in answers.results]
    return values.Capabilities(capabilities=found, nodes=shaper.outcomes(answers))


@tool(_Call, values.Called)
async def call_capability(desk: Desk, asked: _Call) -> values.Called:
    """Call what an agent offers; it runs at most once.

    At another node a person may have to allow it first: the answer is then `waiting` with the approval, and it is
    called by itself once they allow it. Do not call it again. Where the outcome is unknown it may have been done:
    look with call_status, do not simply call again.
    """
    calling = Calling(name=asked.name, offer=asked.offer, node=asked.node, input=asked.input, wait_s=asked.wait_s)
    try:
        return desk.shaper().called(await desk.client.calls.call(calling))
    except UsageError as error:
        if error.code != "needs_approval" and not error.code.startswith("grant."):
            raise
    view = await desk.client.calls.ask(calling)
    if desk.signs_itself():
        desk.when_allowed(view.id, lambda: desk.client.calls.allowed(view.id, lasts_s=asked.wait_s))
    return values.Called.after(waiting(view))


@tool(_Status, values.Called, reads=True)
async def call_status(desk: Desk, asked: _Status) -> values.Called:
    """Look how one of your calls stands, or ended."""
    return desk.shaper().called(await desk.client.calls.show(asked.call))


async def _names(desk: Desk) -> dict[str, str]:
    """Return what nodes call themselves, of those whose participants are listed here."""
    return {it.node: it.node_name for it in await desk.client.participants.all() if it.node_name}


def _capability(shaper: Shaper, offer: str, node: str, body: dict[str, Any]) -> values.Capability:
    agent = str(body.get("agent", ""))
    content = {
        "about": body.get("about", ""),
        "takes": _schema(body.get("takes")),
        "returns": _schema(body.get("returns")),
        "price": body.get("price", ""),
    }
    return values.Capability(
        name=str(body.get("name", "")),
        node=node,
        offer=offer,
        agent=agent,
        standing=int(body.get("standing", 4)),
        told=shaper.told(shaper.at(node, author=agent), content, "the node signed the offer"),
    )


def _schema(text: Any) -> Any:
    """Return a schema that stands as hex of its JSON in a result; None for anything."""
    try:
        return msgspec.json.decode(bytes.fromhex(str(text or ""))) if text else None
    except (ValueError, msgspec.DecodeError):
        return None


TOOLS = [who_am_i, list_peers, ask_federation, find_capabilities, call_capability, call_status]
