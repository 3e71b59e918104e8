"""Knowledge and tasks."""

from __future__ import annotations

from collections.abc import Sequence

from foedus.sdk.forms import Form
from foedus.sdk.operation import Action, Group, M, Sent, operation
from foedus.sdk.telling import tell
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
from foedus.values.node import SignedAct


class Knowledge(Group[M]):
    """Packets of knowledge. ``packet``: an id or its first digits."""

    @Action
    async def tell(self, form: Form, *, wait_s: float = 0) -> KnowledgePlaced:
        """Publish, revise, retract or pass on a packet; offer, claim, report or end a task. Durable when it returns.

        An agent's may wait for a person, where it flows to peers and no grant carries it: then ``approval`` names what
        waits, unless they allow it within ``wait_s``.
        The client's device signs, where it has one and the form's ``as_`` names no other. Else the node does, for
        the agent whose key it keeps, or as itself.
        """
        return await tell(self._client, form, wait_s)

    @operation("POST", "/knowledge/acts")
    def post(self, form: Form) -> Sent[KnowledgePlaced]:
        """Tell one thing as an agent whose key the node keeps, or as the node."""
        return Sent(body=form)

    @operation("POST", "/knowledge/acts:batch")
    def post_all(self, forms: Sequence[Form]) -> Sent[list[KnowledgePlaced]]:
        """Tell several things in order, all or none."""
        return Sent(body=list(forms))

    @operation("POST", "/knowledge/approvals")
    def propose(self, form: Form) -> Sent[ApprovalView]:
        """Ask a person to let an agent with a key of its own tell this; it then signs with the approval's ``salt``."""
        return Sent(body=form)

    @operation("POST", "/knowledge/acts:signed")
    def post_signed(self, domain: str, acts: Sequence[SignedAct]) -> Sent[list[KnowledgePlaced]]:
        """Tell several things of one domain by signed acts, all or none."""
        return Sent(body={"domain": domain, "acts": list(acts)})

    @operation("GET", "/knowledge/search")
    def search(self, q: str, *, domain: str = "", limit: int = 20) -> Sent[list[PacketView]]:
        """Return packets that hold any of the words, the best first."""
        return Sent(query={"q": q, "domain": domain, "limit": limit})

    @operation("GET", "/knowledge/packets")
    def page(self, *, domain: str = "", after: str = "", limit: int = 50) -> Sent[PacketsPage]:
        """Return packets in the order in which they came here."""
        return Sent(query={"domain": domain, "after": after, "limit": limit})

    @operation("GET", "/knowledge/packets/{packet}")
    def show(self, packet: str) -> Sent[PacketView]:
        """Return one packet."""
        return Sent({"packet": packet})

    @operation("GET", "/knowledge/packets/{packet}/history")
    def history(self, packet: str) -> Sent[HistoryView]:
        """Return what was told about a packet, and all that it stands on."""
        return Sent({"packet": packet})

    @operation("GET", "/knowledge/packets/{packet}/envelope")
    def envelope(self, packet: str) -> Sent[EnvelopeView]:
        """Return the signed event by which a packet stands: what passes it on holds these bytes."""
        return Sent({"packet": packet})


class Tasks(Group[M]):
    """Tasks; they are offered, claimed and done by ``knowledge.tell``."""

    @operation("GET", "/tasks")
    def page(self, *, domain: str = "", state: str = "", after: str = "", limit: int = 50) -> Sent[TasksPage]:
        """Return tasks in the order in which they came here; ``state``: offered, claimed, done or cancelled."""
        return Sent(query={"domain": domain, "state": state, "after": after, "limit": limit})

    @operation("GET", "/tasks/{task}")
    def show(self, task: str) -> Sent[TaskView]:
        """Return one task."""
        return Sent({"task": task})
