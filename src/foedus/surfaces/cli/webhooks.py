"""`foedus webhook`: where the calls of agents are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter

from foedus.surfaces.cli.options import COMMON, Common
from foedus.surfaces.cli.output import Line
from foedus.surfaces.cli.text import short, when
from foedus.values.calls import WebhookView

app = App(name="webhook", help="Webhooks: agents that are sent their calls, rather than asking for them.")

Agent = Annotated[str, Parameter(help="A participant of this node, by name or DID.")]


@app.command(name="set")
def set_(
    agent: Agent,
    url: Annotated[str, Parameter(help="https://…, or http:// on this machine or your own network.")],
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Send an agent's calls to a URL, each signed by this node, in place of a former one."""
    out = common.output()
    out.show(common.client().post("/webhooks", WebhookView, {"agent": agent, "url": url}), lambda it: _lines([it]))
    out.next("foedus webhook list")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """Show where calls are sent, and how the last delivery went."""
    out = common.output()
    out.show(common.client().get("/webhooks", list[WebhookView]), _lines)
    out.next("foedus webhook set AGENT URL")


@app.command
def remove(agent: Agent, /, *, common: Common = COMMON) -> None:
    """Send an agent's calls nowhere: it asks for them itself."""
    from foedus.surfaces.cli.client import path_of

    common.client().tell("DELETE", path_of("webhooks", agent))
    out = common.output()
    out.words(f"calls of {agent} are sent nowhere")
    out.next("foedus webhook list")


def _lines(views: list[WebhookView]) -> Iterable[Line]:
    for view in views:
        last = f"  {view.last} {when(view.last_at)}" if view.last_at else "  nothing sent yet"
        yield [(view.agent_name or short(view.agent), "bold"), f"  {view.url}", (last, "dim")]
    if not views:
        yield ["no agent has a webhook"]
