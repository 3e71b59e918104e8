"""Capabilities and calls as surfaces see them."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class CapabilityForm(Struct, frozen=True, kw_only=True):
    """What an agent offers. ``agent``: a participant of this node; ``takes``, ``returns``: JSON Schemas, or nothing."""

    name: str
    agent: str
    about: str = ""
    takes: Any = None
    returns: Any = None
    model: str = ""
    provider: str = ""
    price: str = ""
    standing: int = 4


class CapabilityView(Struct, frozen=True, kw_only=True):
    """A capability. ``offer``: its id, another when anything of it changes; ``node``: where it is called.

    ``takes``, ``returns``: JSON Schemas, null for anything. ``standing``: the last, 1 to 4, that may call it.
    """

    name: str
    node: str
    node_name: str
    offer: str
    agent: str
    agent_name: str
    about: str
    takes: Any
    returns: Any
    model: str
    provider: str
    price: str
    standing: int


class CallForm(Struct, frozen=True, kw_only=True):
    """What is called. ``node``: a peer or this node ('' too); ``offer``: its id, as the capability was found.

    ``as_``: a custodial agent, '' the node itself. ``wait_ms``: until the deadline. ``nonce``: of the call, 16 bytes by
    which it is found again; b'' for one at random.
    """

    node: str
    name: str
    offer: str
    input: Any
    wait_ms: int = 30_000
    as_: str = ""
    nonce: bytes = b""


class CallSignedForm(Struct, frozen=True, kw_only=True):
    """A call that a device made and signed: unpadded base64url of its canonical bytes, and of the signature."""

    call: str
    asig: str


class CallsMade(Struct, frozen=True, kw_only=True):
    """Which calls made here are shown. ``caller``: a participant's alone; ``before``: a call, those older than it."""

    caller: str = ""
    before: str = ""
    limit: int = 50


class CallView(Struct, frozen=True, kw_only=True):
    """A call made here. ``state``: ``open``, ``ended`` or ``refused``.

    ``outcome``: ``result``, ``error``, ``cancelled``, ``not_run``, ``outcome_unknown``, or '' while it is open or where
    it was refused. ``code``: of an error or a refusal. ``output``: what came back, null where nothing did.
    ``receipt``: its bytes, ``receipt_sig`` of the callee's node, ``countersig`` of this one: base64url.
    """

    call: str
    node: str
    node_name: str
    name: str
    offer: str
    caller: str
    at: int
    deadline: int
    state: str
    outcome: str
    code: str
    message: str
    agent: str
    began: int
    ended: int
    output: Any
    receipt: str
    receipt_sig: str
    countersig: str


class CallProgressView(Struct, frozen=True, kw_only=True):
    """A word of progress: ``number`` from 1; those that were lost on the way are not sent again."""

    call: str
    number: int
    data: Any


class WorkView(Struct, frozen=True, kw_only=True):
    """A call that an agent was handed, once: it answers by ``deadline`` (µs), or its outcome is unknown."""

    call: str
    name: str
    offer: str
    caller: str
    caller_name: str
    node: str
    node_name: str
    input: Any
    deadline: int


class WorkPage(Struct, frozen=True, kw_only=True):
    """The next call, or null where none came in time."""

    work: WorkView | None


class WorkResult(Struct, frozen=True, kw_only=True):
    """What an agent says at the end: ``output``, or an error by ``code`` and ``message``."""

    output: Any | UnsetType = UNSET
    code: str = ""
    message: str = ""


class WebhookForm(Struct, frozen=True, kw_only=True):
    """Where an agent's calls are to be sent."""

    agent: str
    url: str
    by_operator: bool = True


class WebhookView(Struct, frozen=True, kw_only=True):
    """Where an agent's calls are sent. ``by_operator``: who registered it, the operator or the agent by its token.

    ``last``: how the last delivery went, at ``last_at`` (µs): a status, or a code such as ``webhook_unreachable``.
    """

    agent: str
    agent_name: str
    url: str
    by_operator: bool
    since: int
    last_at: int
    last: str
