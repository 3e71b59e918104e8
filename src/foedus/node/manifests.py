"""The manifest of this node: one for everyone, one with its agents for connected peers; and those of others."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from foedus import __version__
from foedus.adapters.federation_client import FederationClient
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError, Unavailable
from foedus.identity.did import did_of
from foedus.identity.manifest import Agent, Manifest, build_manifest, is_newer, read_manifest, to_json
from foedus.log.port import Value
from foedus.node.handshakes import CAPABILITIES
from foedus.node.store import Store

SPACE = "manifest"
_SERIAL = b"serial"
_SERIAL_BYTES = 8
_ENDPOINTS_MAX = 8
_AGENTS_MAX = 256
_AGENTS_BYTES = 49_152
"""Of the 65,536 that a manifest may have: names of 128 characters in other scripts are long."""
_AGENT_OVERHEAD = 80
_FETCH_S = 5.0
"""For another node's manifest: a person waits for the answer."""
_HELD_MAX = 1_024
"""Manifests of others in memory: one of each node that a person looked at."""
FEDERATION: dict[str, bool | int | str] = {
    "protocol": 1,
    "link": "/api/federation/link",
    "events": "application/vnd.foedus.events",
    "requests": True,
}
"""What a stranger may want to know: paths, media type, and that requests for a connection are read."""


class _Facts(NamedTuple):
    """What a manifest follows from: while it is the same, so is the manifest."""

    epoch: bytes
    name: str
    endpoints: tuple[str, ...]
    agents: tuple[Agent, ...]


class Manifests:
    """Signs a manifest when what it says has changed; its serial is durable before it is served."""

    def __init__(self, store: Store) -> None:
        self._store = store
        stored = store.log.values(SPACE).get(_SERIAL)
        self._serial = int.from_bytes(stored, "big") if stored else 0
        self._made: dict[bool, tuple[_Facts, bytes]] = {}
        self._order = asyncio.Lock()

    async def json(self, endpoints: list[str], *, with_agents: bool) -> bytes:
        """Return the JSON of the manifest; raise Unavailable where this node cannot sign for itself now."""
        async with self._order:
            facts = self._facts(endpoints, with_agents=with_agents)
            held = self._made.get(with_agents)
            if held is not None and held[0] == facts:
                return held[1]
            data = await self._make(facts)
            self._made[with_agents] = (facts, data)
            return data

    def _facts(self, endpoints: list[str], *, with_agents: bool) -> _Facts:
        urls = tuple(url for url in endpoints if 0 < len(url) <= 512)[:_ENDPOINTS_MAX]  # noqa: PLR2004  # section 8
        agents = self._agents() if with_agents else ()
        return _Facts(self._store.epoch, self._store.name, urls, agents)

    def _agents(self) -> tuple[Agent, ...]:
        found = self._store.admission.authority.participants
        mine = sorted(
            (who.name, did)
            for (node, did), who in found.items()
            if node == self._store.node and who.kind == "agent" and who.is_enrolled
        )
        agents: list[Agent] = []
        size = 0
        for name, did in mine[:_AGENTS_MAX]:
            size += len(did) + len(name.encode()) + _AGENT_OVERHEAD
            if size > _AGENTS_BYTES:
                break
            agents.append(Agent(did, name))
        return tuple(agents)

    async def _make(self, facts: _Facts) -> bytes:
        store = self._store
        key, record = store.keys.ed25519, store.record
        if record.record.keys.ed25519 != key.public:
            raise Unavailable("this node's identity has moved on to other keys", code="not_authoring")
        now = store.now()
        serial = await self._next_serial(now)
        manifest = Manifest(
            v=1,
            name=facts.name,
            node=store.node,
            did=did_of(key.public),
            version=__version__,
            endpoints=facts.endpoints,
            capabilities=_capabilities(),
            agents=facts.agents,
            federation=FEDERATION,
            serial=serial,
            at=now,
        )
        return to_json(build_manifest(manifest, key, store.identities.history(store.node)))

    async def _next_serial(self, now: Instant) -> int:
        self._serial = max(self._serial + 1, now)
        await self._store.put(Value(SPACE, _SERIAL, self._serial.to_bytes(_SERIAL_BYTES, "big")))
        return self._serial


class ManifestReader:
    """Reads the manifests of others: what they call themselves."""

    def __init__(self, client: FederationClient) -> None:
        self._client = client
        self._held: dict[bytes, Manifest] = {}

    async def name(self, url: str, node: bytes) -> str:
        """Return the name in the newest manifest of ``node`` seen, '' where it has none that holds. A claim."""
        try:
            async with asyncio.timeout(_FETCH_S):
                data = await self._client.manifest(url)
            manifest = (await asyncio.to_thread(read_manifest, data)).manifest
        except (FoedusError, TimeoutError):
            return ""
        if manifest.node != node:
            return ""
        held = self._held.get(node)
        if held is None or is_newer(held.serial, manifest.serial):
            self._keep(manifest)
        return _readable(self._held[node].name)

    def _keep(self, manifest: Manifest) -> None:
        while len(self._held) >= _HELD_MAX:
            del self._held[next(iter(self._held))]
        self._held[manifest.node] = manifest


def _readable(name: str) -> str:
    """Return a name that can be shown on a line, '' where it cannot."""
    return name if name.isprintable() else ""


def _capabilities() -> dict[str, Any]:
    return {name: dict(parameters) for name, parameters in CAPABILITIES.items()}
