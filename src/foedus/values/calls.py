"""Capabilities, calls and work."""

from __future__ import annotations

from typing import Any

from foedus.values.node import View


class CapabilityView(View, frozen=True):
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


class CallView(View, frozen=True):
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


class CallProgressView(View, frozen=True):
    """A word of progress: ``number`` from 1; those that were lost on the way are not sent again."""

    call: str
    number: int
    data: Any


class WorkView(View, frozen=True):
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


class WorkPage(View, frozen=True):
    """The next call, or null where none came in time."""

    work: WorkView | None


class WebhookView(View, frozen=True):
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
