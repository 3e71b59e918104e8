"""What surfaces give of capabilities and calls."""

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
