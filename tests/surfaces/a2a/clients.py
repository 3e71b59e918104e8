"""The official A2A client, for tests with real nodes in this process."""

import secrets
from contextlib import asynccontextmanager

import httpx
import jwt
from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types import Message, Part, Role, SendMessageRequest
from a2a.utils.signing import create_signature_verifier

from foedus.identity.did import key_of


def verifier(*nodes):
    """Return what checks that a card is signed by one of these nodes (did:key)."""

    def key(kid, _jku):
        assert kid in nodes
        return jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": _base64url(key_of(kid)), "alg": "EdDSA"})

    return create_signature_verifier(key, ["EdDSA"])


def _base64url(data):
    return jwt.utils.base64url_encode(data).decode()


@asynccontextmanager
async def client_of(running, token, agent="", node="", **config):
    """Return a client of one agent, as its card at ``running`` shows it, or of the node."""
    url = f"{running.url}/a2a/{node or running.id}/{agent}" if agent else running.url
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=70) as http:
        factory = ClientFactory(ClientConfig(httpx_client=http, **config))
        check = verifier(running.service.identity().did)
        yield await factory.create_from_url(url, signature_verifier=check)


def message(text="", *, data=None, skill="", id_="", **fields):
    """Return a request to send a message."""
    parts = [Part(text=text)] if text else []
    said = Message(message_id=id_ or secrets.token_hex(8), role=Role.ROLE_USER, parts=parts, **fields)
    if data is not None:
        part = Part()
        part.data.struct_value.update(data)
        said.parts.append(part)
    if skill:
        said.metadata["skill"] = skill
    return SendMessageRequest(message=said)


async def sent(client, request):
    """Send, and return the last of what came."""
    return [it async for it in client.send_message(request)][-1]
