"""Agent cards: of the node, and one of each agent, signed by the node's key.

The signature is a JWS over the card's canonical JSON (A2A 1.0, section 8.4), by EdDSA; ``kid`` is the node's did:key,
so that whoever knows the node can check it without asking anybody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import rfc8785
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import AgentCard

from foedus import __version__
from foedus.base.base64url import to_base64url
from foedus.surfaces.a2a.directory import Agent
from foedus.surfaces.a2a.proto import made, plain
from foedus.surfaces.cli.text import inert
from foedus.values.calls import CapabilityView

SCHEME = "bearer"
_MODES = ["text/plain", "application/json"]
_WORDS_MAX = 4_096


class Signer(NamedTuple):
    """The node: its did:key, its name, and what signs with its key."""

    did: str
    name: str
    sign: Callable[[bytes], bytes]


def node_card(signer: Signer, url: str, agents: Iterable[Agent]) -> AgentCard:
    """Return the node's card; what agents offer are its skills, each named ``CAPABILITY@NODE``."""
    offers = [offer for agent in agents for offer in agent.offers.values()]
    about = "Agents of a foedus node and of those it is connected with. A message goes to the skill that its metadata "
    about += "names (`skill`). The skills are in the extended card; each agent has a card of its own."
    own = {"id": "agents", "name": "agents", "description": "Reach the agents of this node.", "tags": ["foedus"]}
    skills = [_skill(offer, f"{offer.name}@{offer.node}") for offer in offers]
    return _signed(signer, _card(inert(signer.name), about, url, skills or [own], extended=True))


def agent_card(signer: Signer, url: str, agent: Agent) -> AgentCard:
    """Return the card of one agent."""
    about = f"Agent {agent.did} at node {agent.node}, reached through the node {signer.did}."
    skills = [_skill(offer, offer.name) for offer in agent.offers.values()]
    return _signed(signer, _card(inert(agent.name) or agent.did, about, url, skills, extended=False))


def shown(card: AgentCard) -> bytes:
    """Return a card as JSON, with what clients of A2A 0.3 look for."""
    return json.dumps(agent_card_to_dict(card), separators=(",", ":")).encode()


def _card(name: str, about: str, url: str, skills: list[dict[str, Any]], *, extended: bool) -> dict[str, Any]:
    ways = [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": version} for version in ("1.0", "0.3")]
    return {
        "name": name,
        "description": about,
        "supportedInterfaces": ways,
        "version": __version__,
        "capabilities": {"streaming": True, "pushNotifications": True, "extendedAgentCard": extended},
        "securitySchemes": {SCHEME: {"httpAuthSecurityScheme": {"scheme": "bearer"}}},
        "securityRequirements": [{"schemes": {SCHEME: {"list": []}}}],
        "defaultInputModes": _MODES,
        "defaultOutputModes": _MODES,
        "skills": skills,
    }


def _skill(offer: CapabilityView, name: str) -> dict[str, Any]:
    """Return a capability as a skill. Its words are its agent's own, made inert."""
    words = [inert(offer.about)]
    if offer.takes is not None:
        words.append(f"Takes: {inert(json.dumps(offer.takes))}")
    if offer.returns is not None:
        words.append(f"Returns: {inert(json.dumps(offer.returns))}")
    if offer.price:
        words.append(f"Price: {inert(offer.price)}")
    tags = ["foedus", offer.name]
    return {"id": name, "name": offer.name, "description": "\n".join(words)[:_WORDS_MAX], "tags": tags}


def _signed(signer: Signer, shown_as: dict[str, Any]) -> AgentCard:
    card = made(shown_as, AgentCard)
    protected = to_base64url(rfc8785.dumps({"alg": "EdDSA", "kid": signer.did, "typ": "JOSE"}))
    payload = to_base64url(rfc8785.dumps(_without_empty(plain(card))))
    signature = to_base64url(signer.sign(f"{protected}.{payload}".encode()))
    card.signatures.add(protected=protected, signature=signature)
    return card


def _without_empty(value: Any) -> Any:
    """Return a card without what is empty, as the canonical form leaves it out."""
    if isinstance(value, dict):
        kept = {name: _without_empty(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, "", [], {})}
    if isinstance(value, list):
        return [each for each in map(_without_empty, value) if each not in (None, "", [], {})]
    return value
