"""Sending a notice for an agent: to no other address than those where its own webhook might be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from foedus.adapters.webhook_client import Lost, NotReached, Post, deliver
from foedus.trust.webhooks import LOCALHOST, WebhookForbidden, is_address, may_send, parse_target

if TYPE_CHECKING:
    from foedus.node.composition import Node

TIMEOUT_S = 10.0
"""A notice is small, and nobody waits for it."""


def check_notice(node: Node, url: str) -> None:
    """Raise BadWebhook or WebhookForbidden where an agent may not have anything sent there; names are judged later."""
    target = parse_target(url)
    address = LOCALHOST if target.host == "localhost" else target.host
    if is_address(address) and not may_send(target, address, node.policy.current.webhooks.agents, by_operator=False):
        raise WebhookForbidden(f"notices may not be sent to {target.origin}")


async def send_notice(node: Node, url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Send, and return the HTTP status; 0 where there was no answer, or nothing may be sent there now."""
    target = parse_target(url)
    reach = node.policy.current.webhooks.agents
    post = Post(
        url=url,
        host=target.host,
        headers=headers,
        body=body,
        is_allowed=lambda address: may_send(target, address, reach, by_operator=False),
        last_word=_yes,
        timeout_s=TIMEOUT_S,
    )
    try:
        return (await deliver(post)).status
    except (NotReached, Lost):
        return 0


async def _yes() -> bool:
    return True
