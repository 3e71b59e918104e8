"""Webhooks of this node's agents: where their calls are sent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from foedus.node.call_forms import WebhookForm
from foedus.surfaces.http.bodies import Input
from foedus.surfaces.http.callers import Rule
from foedus.surfaces.http.limits import TARGET_MAX
from foedus.surfaces.http.operations import Operation
from foedus.trust.webhooks import URL_BYTES_MAX
from foedus.values.calls import WebhookView


class WebhookInput(Input, frozen=True):
    """Where an agent's calls are sent. ``agent``: whose; '' is the participant whose token it is."""

    url: Annotated[str, Meta(max_length=URL_BYTES_MAX)]
    agent: Annotated[str, Meta(max_length=TARGET_MAX)] = ""


WEBHOOKS = [
    Operation(
        method="GET",
        path="/webhooks",
        about="Where calls of this node's agents are sent, and how the last delivery went",
        answer=list[WebhookView],
        rule=Rule.SELF,
        run=lambda node, _call: node.webhooks(),
    ),
    Operation(
        method="POST",
        path="/webhooks",
        about="Bring an agent's calls to a URL, signed by this node, in place of a former one. Durable when answered",
        answer=WebhookView,
        status=201,
        body=WebhookInput,
        rule=Rule.SELF,
        run=lambda node, call: node.webhook_register(WebhookForm(agent=call.body.agent, url=call.body.url)),
    ),
    Operation(
        method="DELETE",
        path="/webhooks/{did}",
        about="Bring an agent's calls nowhere: it asks for its work",
        answer=None,
        status=204,
        rule=Rule.SELF,
        run=lambda node, call: node.webhook_remove(call.path["did"]),
    ),
]
