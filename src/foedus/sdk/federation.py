"""The federation as one thing: join it by an address, and ask all of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode
from foedus.base.errors import PeerViolation, Unavailable, UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import SECOND
from foedus.identity.did import did_of
from foedus.identity.ucan import encode_container
from foedus.sdk.asking import Question
from foedus.sdk.committing import CommitProof, CouncilUpdate, commit
from foedus.sdk.device import Device, now
from foedus.sdk.granting import Scope, delegation
from foedus.sdk.operation import Action, Group, M
from foedus.sdk.speaking import own
from foedus.values.node import ProbeView
from foedus.values.queries import MergedView

if TYPE_CHECKING:
    from foedus.sdk.client import Api, Client

LASTS_S = 24 * 3600
"""A token lives for a day, or until the agreement ends: a longer one is a grant that a person gives on purpose."""
JOIN_S = 60.0
"""How long to wait for the other side's human, where the caller does not say."""
_LOOK_S = 0.2
_OVER = frozenset({"declined", "turned_down", "ignored", "disconnected"})


class WrongKey(PeerViolation):
    """Another node answers at the address than the one whose key was given."""

    code = "wrong_key"
    http_status = 409
    remedy = "do not go on unless its people confirm that key to you"


class PeerAddress(Struct, frozen=True):
    """Where a node is, and who it must be: ``key`` is its id or its Ed25519 key in hex, or its did:key."""

    host: str
    port: int
    key: str
    tls: bool = False

    @property
    def url(self) -> str:
        """Its URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class FederationToken(Struct, frozen=True, kw_only=True):
    """What a connection lets its holder do: one UCAN delegation for each command that the agreement allows.

    ``peer`` and ``agreement`` are ids in hex; ``issuer`` the device that signed, ``audience`` who may use it;
    ``expires`` in seconds since 1970 UTC. It is no bearer token: it opens no API, and a node honours a delegation once
    it is in the issuer's stream (``grants.give``). What it is good for stands in docs/sdk.md.
    """

    peer: str
    agreement: str
    commands: tuple[str, ...]
    issuer: str
    audience: str
    expires: int
    delegations: tuple[bytes, ...]

    @property
    def container(self) -> str:
        """All delegations as one text: a UCAN container."""
        return encode_container(self.delegations, text=True).decode("ascii")


class FederationScope(Struct, frozen=True):
    """How far a question goes."""

    name: Literal["local", "direct", "global"]
    max_hops: int | None = None

    @staticmethod
    def Local() -> FederationScope:  # noqa: N802  # the names of the scopes, written like the values that they are
        """Ask this node alone."""
        return FederationScope("local")

    @staticmethod
    def Direct() -> FederationScope:  # noqa: N802  # as above
        """Ask this node and its peers."""
        return FederationScope("direct")

    @staticmethod
    def Global(max_hops: int = 5) -> FederationScope:  # noqa: N802  # as above
        """Ask also those behind them, over at most so many links (1 to 8)."""
        return FederationScope("global", max_hops)


class FederatedResult(Struct, frozen=True, kw_only=True):
    """One thing that was found. ``sources``: the ids of the nodes that told it, best first; ``found`` holds the proof.

    ``score`` in millionths, of its best source. The order of results is that of the merge, whatever their scores.
    """

    content: str
    kind: str
    body: dict[str, Any]
    score: int
    sources: tuple[str, ...]
    found: MergedView


class FederatedMesh(Group[M]):
    """The federation, from one node of it. Its methods are awaited where ``api`` is a ``Client``."""

    def __init__(self, api: Api[M]) -> None:
        super().__init__(api.node._client, api.node._mode)  # noqa: SLF001  # one more group of the same client

    @Action
    async def join_federation(
        self,
        address: PeerAddress,
        *,
        audience: str = "",
        note: str = "",
        wait_s: float = JOIN_S,
    ) -> FederationToken:
        """Ask a node for a connection, wait until its human accepts, and return what the agreement lets one do there.

        The client needs the operator's token and a person's device, which signs. ``audience``: the did:key of the
        agent's device that shall use it; '' the person's own. Who is connected already gets a token at once. Raises
        WrongKey where another node answers, before it is asked for anything; UsageError ``not_accepted`` where its
        human says no; Unavailable ``not_yet`` at the deadline: the request stays, so call again.
        """
        return await _join(self._client, address, audience, note, wait_s)

    @Action
    async def federated_query(
        self, data: str | Question, scope: FederationScope | None = None, *, wait_s: float = 5.0
    ) -> list[FederatedResult]:
        """Ask the federation, and return what came by the deadline, the best first.

        ``data``: words to look for, or a whole ``Question``, whose scope and deadline these arguments replace.
        ``scope`` is ``FederationScope.Global()`` where none is given. Which nodes were silent or late
        ``queries.ask`` tells.
        """
        far = scope or FederationScope.Global()
        question = Question(text=data) if isinstance(data, str) else data
        question = msgspec.structs.replace(question, scope=far.name, hops=far.max_hops, wait_s=wait_s)
        answers = await self._client.queries.ask(question)
        return [_result(found) for found in answers.results]

    @Action
    async def byzantine_commit(self, update: CouncilUpdate) -> CommitProof:
        """Let a council decide upon an update; return what came of it, with a proof that a stranger can check.

        ``outcome`` says whether it was done: ``unequal`` where the key had another value than ``if_value``. Raises
        Unavailable ``not_decided`` where no quorum answered in 30 s: the update may still be made.
        """
        return await commit(self._client, update)


def _result(found: MergedView) -> FederatedResult:
    return FederatedResult(
        content=found.content,
        kind=found.kind,
        body=found.body,
        score=found.score,
        sources=tuple(source.node for source in found.sources),
        found=found,
    )


async def _join(client: Client, address: PeerAddress, audience: str, note: str, wait_s: float) -> FederationToken:
    mine = await own(client)
    if mine.who.kind != "human":
        raise UsageError(
            f"{mine.who.name} is an agent: only a person signs this",
            code="not_human",
            remedy="give the client the device of a person",
        )
    probe = await client.peers.probe(address.url)
    _check_key(probe, address.key)
    state = await _state(client, probe.node)
    if state == "requested":
        await client.peers.confirm(probe.node)  # whose key it is was asked for now, if not before
    elif state not in {"accepting", "connected"}:
        await client.peers.request(address.url, expect=probe.node, note=note)
    await _until_accepted(client, probe, wait_s)
    return await _token(client, mine.device, probe.node, audience)


def _check_key(probe: ProbeView, key: str) -> None:
    """Raise WrongKey unless the handshake proved the key that was meant."""
    known = {probe.node, probe.did}
    wanted = key.strip()
    if wanted not in known and (wanted.startswith("did:") or did_of(parse_id(wanted)) != probe.did):
        raise WrongKey(f"another node answers at {probe.url}: {probe.node} ({probe.did})")


async def _state(client: Client, node: str) -> str:
    return next((peer.state for peer in await client.peers.all() if peer.node == node), "known")


async def _until_accepted(client: Client, probe: ProbeView, wait_s: float) -> None:
    end = time.monotonic() + wait_s
    while (state := await _state(client, probe.node)) != "connected":
        if state in _OVER:
            raise UsageError(
                f"{probe.name} does not want to connect: {state}",
                code="not_accepted",
                http_status=403,
                remedy="speak with its people, then ask again",
            )
        if time.monotonic() >= end:
            raise Unavailable(
                f"{probe.name} has not accepted within {wait_s} s",
                code="not_yet",
                remedy="its human finds the request with `foedus peer pending`; call again later",
            )
        await asyncio.sleep(_LOOK_S)


async def _token(client: Client, device: Device, peer: str, audience: str) -> FederationToken:
    """Return the delegations for what the agreement in force lets this node's people and agents do at the peer."""
    version = (await client.agreements.show(peer)).in_force
    document = decode(from_base64url(version.document, "document"))
    own = parse_id((await client.node.identity()).node)
    commands = tuple(document["commands"][document["nodes"].index(own)])
    here = now() // SECOND
    lasts_s = LASTS_S if version.expires is None else max(0, min(LASTS_S, version.expires // SECOND - here))
    who = audience or device.device_did
    scopes = [Scope(command=command, hosts=[peer], lasts_s=lasts_s) for command in commands]
    return FederationToken(
        peer=peer,
        agreement=version.id,
        commands=commands,
        issuer=device.device_did,
        audience=who,
        expires=here + lasts_s,
        delegations=tuple(delegation(device, who, scope) for scope in scopes),
    )
