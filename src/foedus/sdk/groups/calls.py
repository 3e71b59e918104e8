"""Capabilities of agents: offered, called, and worked on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from foedus.sdk.calling import AFTER_S, Calling, allowed, asker, body_of, plain_body
from foedus.sdk.errors import StreamLost
from foedus.sdk.operation import API, Action, Group, M, Sent, Stream, operation
from foedus.sdk.transport import Request, decode
from foedus.values.calls import CallProgressView, CallView, CapabilityView, WebhookView, WorkPage
from foedus.values.consent import ApprovalView


class Capabilities(Group[M]):
    """What agents of the node offer. Those of other nodes are found by ``queries.ask``, kind ``capability``."""

    @operation("GET", "/capabilities")
    def all(self) -> Sent[list[CapabilityView]]:
        """Return what agents of this node offer."""
        return Sent()

    @operation("POST", "/capabilities")
    def register(self, capability: Mapping[str, Any]) -> Sent[CapabilityView]:
        """Offer a capability, or change one's own: {name, agent, about, takes, returns, …}; durable when it returns."""
        return Sent(body=dict(capability))

    @operation("DELETE", "/capabilities/{name}")
    def withdraw(self, name: str) -> Sent[None]:
        """Offer a capability no more."""
        return Sent({"name": name})


class Webhooks(Group[M]):
    """Where the calls of the node's agents are sent; ``foedus.sdk.verify_webhook`` is for those who receive them."""

    @operation("GET", "/webhooks")
    def all(self) -> Sent[list[WebhookView]]:
        """Return where calls are sent, and how the last delivery went."""
        return Sent()

    @operation("POST", "/webhooks")
    def register(self, url: str, *, agent: str = "") -> Sent[WebhookView]:
        """Bring an agent's calls to ``url``; '' is the agent whose token the client has. Durable when it returns."""
        return Sent(body={"url": url, "agent": agent})

    @operation("DELETE", "/webhooks/{did}")
    def remove(self, agent: str) -> Sent[None]:
        """Bring the calls of an agent (its DID) nowhere: it asks for its work."""
        return Sent({"did": agent})


class Calls(Group[M]):
    """Calls made here, and, for an agent, calls to work on."""

    @Action
    async def call(self, calling: Calling) -> CallView:
        """Call a capability; return the call when it is over, or at its deadline.

        The client's device signs, where it has one and ``as_`` names no other. Else the node calls: for an agent whose
        key it keeps, or as itself.
        """
        body = await body_of(self._client, calling)
        return await self._client.calls.post(body, timeout_s=calling.wait_s + AFTER_S)

    @Stream
    async def follow(self, calling: Calling) -> AsyncGenerator[CallProgressView | CallView, None]:
        """Call, and yield progress as it comes; at the end the call."""
        body = await body_of(self._client, calling)
        request = Request("POST", f"{API}/calls", body, calling.wait_s + AFTER_S)
        async for message in self._client.transport.stream(request):
            if message.name == "call":
                yield decode(message.data, CallView)
                return
            yield decode(message.data, CallProgressView)
        raise StreamLost("the stream of a call ended before it was over", remedy="look at it with calls.show")

    @Action
    async def ask(self, calling: Calling) -> ApprovalView:
        """Ask a person to let an agent make exactly this call: the client's own, or the one that ``as_`` names.

        Raises UsageError ``no_approval_needed`` where it may just call. Next: ``allowed``, with the approval's id.
        """
        return await self._client.calls.propose(plain_body(calling, asker(self._client, calling)))

    @Action
    async def allowed(self, approval: str, *, wait_s: float = 0, lasts_s: float = 30.0) -> CallView | None:
        """Return the call that a person allowed, when it is over; None where nobody said yes within ``wait_s``.

        Raises UsageError where they said no. The client's device signs where it is its own; else the node made it.
        ``lasts_s``: how long that call may take, or is waited for.
        """
        return await allowed(self._client, approval, wait_s, lasts_s)

    @operation("POST", "/calls/approvals")
    def propose(self, calling: Mapping[str, Any]) -> Sent[ApprovalView]:
        """Ask a human to let an agent (``as``) make exactly this call: {name, offer, node, input, wait_ms, as}."""
        return Sent(body=dict(calling))

    @operation("POST", "/calls")
    def post(self, calling: Mapping[str, Any], *, timeout_s: float = 60.0 + AFTER_S) -> Sent[CallView]:
        """Make a call as the API has it: {name, offer, node, input, …}, or {call, asig}."""
        return Sent(body=dict(calling), timeout_s=timeout_s)

    @operation("GET", "/calls")
    def all(self, *, before: str = "", limit: int = 50) -> Sent[list[CallView]]:
        """Return calls made here, the newest first; ``before``: a call, those older than it."""
        return Sent(query={"before": before, "limit": limit})

    @operation("GET", "/calls/{call}")
    def show(self, call: str, *, wait_ms: int = 0) -> Sent[CallView]:
        """Return one call, with its receipt; with ``wait_ms`` once it is over."""
        return Sent({"call": call}, {"wait_ms": wait_ms}, timeout_s=wait_ms / 1000 + AFTER_S)

    @operation("POST", "/calls/{call}/cancel")
    def cancel(self, call: str) -> Sent[CallView]:
        """Ask for a call to end."""
        return Sent({"call": call})

    @operation("GET", "/calls/work")
    def work(self, *, agent: str = "", wait_ms: int = 20_000) -> Sent[WorkPage]:
        """Wait for an agent's next call, which it is handed once."""
        return Sent(query={"agent": agent, "wait_ms": wait_ms}, timeout_s=wait_ms / 1000 + AFTER_S)

    @operation("POST", "/calls/{call}/progress")
    def progress(self, call: str, data: Any, *, agent: str = "") -> Sent[None]:
        """Tell the caller how far the work is."""
        return Sent({"call": call}, body={"data": data, "agent": agent})

    @operation("POST", "/calls/{call}/result")
    def finish(self, call: str, result: Mapping[str, Any]) -> Sent[None]:
        """End a call that one was handed: {output} or {code, message}, and {agent} for the operator."""
        return Sent({"call": call}, body=dict(result))
