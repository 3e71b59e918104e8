"""What is told about packets and tasks, and by which key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foedus.base.limits import AUTH_MAX, REFS_MAX
from foedus.sdk.acts import Draft
from foedus.sdk.forms import Form, Offer, Publish, Republish, Retract, Revise
from foedus.sdk.speaking import grants_for, own, sign, signs_for
from foedus.sdk.values.knowledge import KnowledgePlaced

if TYPE_CHECKING:
    from foedus.sdk.client import Client

PUBLISH = "/foedus/knowledge/publish"


async def tell(client: Client, form: Form) -> KnowledgePlaced:
    """Tell one thing: see ``Knowledge.tell``."""
    if not signs_for(client, form.as_):
        return await client.knowledge.post(form)
    mine = await own(client)
    domain, body = await _domain(client, form), form.body()
    auth = (mine.enrolment, *await grants_for(client, mine, PUBLISH))[:AUTH_MAX]
    draft = Draft(mine.who.did, f"knowledge:{domain}", form.kind, body, auth, _refs(body))
    (placed,) = await client.knowledge.post_signed(domain, [await sign(client, mine.device, draft)])
    return placed


async def _domain(client: Client, form: Form) -> str:
    """Return where it is told: what begins something names it, the rest is told where that stands."""
    if isinstance(form, Publish | Republish | Offer):
        return form.domain
    if isinstance(form, Revise | Retract):
        return (await client.knowledge.show(form.packet)).domain
    return (await client.tasks.show(form.task)).domain


def _refs(body: dict[str, Any]) -> tuple[bytes, ...]:
    """Return what an act refers to: what it is about, and what it stands on."""
    about = [body[name] for name in ("packet", "task") if name in body]
    return tuple(dict.fromkeys([*about, *body.get("dependencies", ()), *body.get("packets", ())]))[:REFS_MAX]
