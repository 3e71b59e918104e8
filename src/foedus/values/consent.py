"""Grants, and acts that wait for a human."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import field

from foedus.values.node import View


class LinkView(View, frozen=True):
    """A person or agent at one end of a grant."""

    did: str
    """The did:key of the device."""
    participant: str
    """The DID of whose device it is, '' where that is not known here."""
    name: str
    kind: str
    known_as: str = ""
    """The name known here; '' where there is only what that one claims."""


class GrantView(View, frozen=True):
    """A grant: a UCAN delegation, in the stream of who gave it."""

    id: str
    """The event that gave it: what acts cite."""
    cid: str
    node: str
    issuer: LinkView
    audience: LinkView
    command: str
    policy: list[Any]
    rooms: list[str]
    """The rooms that the policy names; none: every room."""
    hosts: list[str]
    """The nodes that the policy names; none: every node."""
    one_act: bool
    """It is for one act, whose digest the policy names."""
    uses_per_hour: int
    """0: without limit."""
    after_foreign: bool
    not_before: int | None
    expires: int | None
    """Seconds since 1970 UTC; None: never."""
    state: Literal["in_force", "revoked", "expired", "not_yet"]
    last_used: int | None
    """Clock of the last act of this hour under a grant whose uses are counted, microseconds."""
    domains: list[str] = field(default_factory=list)
    """The domains of knowledge that the policy names; none: every domain."""
    capabilities: list[str] = field(default_factory=list)
    """The capabilities that the policy names; none: every one."""
    room_names: list[str] = field(default_factory=list)
    """Of each of ``rooms``; '' where it is not held."""
    host_names: list[str] = field(default_factory=list)
    """What each of ``hosts`` calls itself."""
    hosts_known_as: list[str] = field(default_factory=list)
    """The name that each of ``hosts`` has here, or ''."""
    councils: list[str] = field(default_factory=list)
    """The councils that the policy names; none: every one."""
    council_names: list[str] = field(default_factory=list)
    """Of each of ``councils``; '' where it is not held."""


class ApprovalView(View, frozen=True):
    """An act of an agent that waits, or waited, for a human."""

    id: str
    state: Literal["waiting", "allowed", "done", "denied", "expired", "failed"]
    agent: LinkView
    command: str
    what: str
    """The command in words."""
    arguments: dict[str, str]
    room: str
    room_name: str
    host_name: str
    kind: str
    text: str | None
    """What is to be said, where it is a message."""
    body: str
    """The canonical body of the act, base64url."""
    salt: str
    """What stands before it in the digest, base64url: an agent that signs itself takes both as they are."""
    digest: str
    clause: str
    """Why nothing carried it."""
    needed: int
    """How many human signers have to allow it."""
    humans: list[str]
    """The DIDs of those who allowed or denied it."""
    grants: list[str]
    """Events to cite in ``auth``, for an agent that signs itself."""
    asked_at: int
    until: int
    event: str
    reason: str
    host_known_as: str = ""
    host_looks_like: list[str] = field(default_factory=list)
    """Names given here to others that the host's claimed name may be taken for."""
    hosts: list[str] = field(default_factory=list)
    """Every node that it reaches: that of ``arguments`` first."""
    host_names: list[str] = field(default_factory=list)
    """What each of ``hosts`` calls itself."""
    hosts_known_as: list[str] = field(default_factory=list)
    """The name that each of ``hosts`` has here, or ''."""
    council_name: str = ""
    """Of the council that it asks, if it asks one that is held."""
