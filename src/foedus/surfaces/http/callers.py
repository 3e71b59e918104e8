"""Who calls, and what each may: the operator, a participant by its token, or nobody in particular.

Every route declares its rule; the default is the operator alone. docs/terms.md has the table, and a test holds it.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from foedus.base.errors import UsageError
from foedus.crypto.compare import equal
from foedus.identity.request_proof import PROOF_HEADER
from foedus.node.not_yourself import NotYourself
from foedus.surfaces.http.problems import Unauthorized
from foedus.surfaces.http.wire import Scope, header

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from foedus.node.api import NodeService
    from foedus.node.tokens import Holder


class Rule(Enum):
    """Who may call a route. The operator may call each but those of nodes."""

    OPERATOR = "operator"
    """And an architect: a human to whom this node is entirely their own, by a device."""
    PARTICIPANT = "participant"
    """Any participant of this node, and it is shown what it may see."""
    SELF = "self"
    """A participant, for itself alone."""
    ANYONE = "anyone"
    NODES = "nodes"
    """Other nodes, which prove their keys by the protocol."""


class Operator(Struct, frozen=True):
    """The bearer of HOME/token."""


class ParticipantCaller(Struct, frozen=True, kw_only=True):
    """A participant of this node. ``token`` is the text that came; it is in the request's proof."""

    holder: Any
    token: str

    def __repr__(self) -> str:
        """Never show the token."""
        return f"ParticipantCaller({self.holder.did!r})"

    @property
    def did(self) -> str:
        """Whose token it is."""
        did: str = self.holder.did
        return did

    @property
    def device(self) -> bytes:
        """The device that the token is bound to (32 bytes)."""
        device: bytes = self.holder.device
        return device

    @property
    def kind(self) -> str:
        """A human or an agent."""
        kind: str = self.holder.kind
        return kind

    @property
    def is_bound(self) -> bool:
        """Whether each request proves the device."""
        bound: bool = self.holder.bound
        return bound


Caller: TypeAlias = Operator | ParticipantCaller


def name_of(caller: Caller | None) -> str:
    """Return by what a caller's requests are counted; '' where nobody is named."""
    if caller is None:
        return ""
    return caller.did if isinstance(caller, ParticipantCaller) else "operator"


class OperatorOnly(UsageError):
    """A participant's token does not open this."""

    code = "operator_only"
    http_status = 403
    remedy = "ask whoever runs this node; docs/terms.md says what a participant's token reaches"


def identify(scope: Scope, node: NodeService) -> Caller:
    """Return whose bearer token the request carries; raise Unauthorized. A device's proof is checked later."""
    scheme, _, given = (header(scope, b"authorization") or b"").partition(b" ")
    token = given.strip()
    if scheme.lower() == b"bearer" and token:
        operators = node.token
        if operators and equal(token, operators.encode()):
            return Operator()
        holder = node.holder_of(token)
        if holder is not None:
            return ParticipantCaller(holder=holder, token=token.decode("latin-1"))
    raise Unauthorized("the bearer token is missing or wrong")


def check_rule(caller: Caller | None, rule: Rule, scope: Scope, node: NodeService) -> None:
    """Raise OperatorOnly or NotYourself where a participant may not call a route, whatever it brings."""
    if not isinstance(caller, ParticipantCaller):
        return
    if rule is Rule.OPERATOR and caller.is_bound and caller.kind == "human" and node.is_architect(caller.did):
        return
    if rule not in {Rule.PARTICIPANT, Rule.SELF}:
        raise OperatorOnly("this is for the node's operator")
    if rule is Rule.SELF and scope["path_params"].get("did", caller.did) != caller.did:
        raise NotYourself("this token is another participant's")


async def view_for(caller: ParticipantCaller, node: NodeService, scope: Scope, body: bytes) -> Any:
    """Return the node as a participant may use it; raise where a device's token came without that device's proof."""
    proof = (header(scope, PROOF_HEADER.encode()) or b"").decode("latin-1")
    await node.prove_request(caller.holder, (scope["method"], _target(scope), body, caller.token), proof)
    return node.as_participant(caller.holder)


def _target(scope: Scope) -> str:
    """Return path and query as they were sent."""
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


@contextmanager
def until_dead(
    node: NodeService, caller: Caller | None, rule: Rule = Rule.PARTICIPANT
) -> Iterator[asyncio.Event | None]:
    """Watch the token of a participant for the time of a stream: the event is set when it dies.

    By the operator's rule also when the participant, an architect until then, governs no more.
    """
    if not isinstance(caller, ParticipantCaller):
        yield None
        return
    holder: Holder = caller.holder
    dead = node.watch_token(holder, governing=rule is Rule.OPERATOR)
    try:
        yield dead
    finally:
        node.unwatch_token(holder, dead)
