"""What is told about packets and tasks, and by which key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from foedus.base.base64url import from_base64url
from foedus.base.errors import UsageError
from foedus.base.ids import parse_id
from foedus.base.limits import AUTH_MAX, REFS_MAX
from foedus.sdk.acts import Draft
from foedus.sdk.forms import Form, Offer, Publish, Republish, Retract, Revise
from foedus.sdk.speaking import Own, decided, grants_for, own, sign, signs_for
from foedus.values.consent import ApprovalView
from foedus.values.knowledge import KnowledgePlaced

if TYPE_CHECKING:
    from foedus.sdk.client import Client

PUBLISH = "/foedus/knowledge/publish"


async def tell(client: Client, form: Form, wait_s: float) -> KnowledgePlaced:
    """Tell one thing: see ``Knowledge.tell``."""
    if not signs_for(client, form.as_):
        return await _settled(client, await client.knowledge.post(form), wait_s)
    mine = await own(client)
    domain = await _domain(client, form)
    try:
        return await _post(client, mine, (domain, form), await grants_for(client, mine, PUBLISH))
    except UsageError as error:
        if error.code != "needs_approval":
            raise
    view = await client.knowledge.propose(replace(form, as_=mine.who.did))
    if view.state == "waiting":
        view = await decided(client, view.id, wait_s)
    if view.state == "waiting":
        return _waiting(domain, view)
    salt = from_base64url(view.salt, "salt")  # hence the digest that a person signed
    return await _post(client, mine, (domain, form), [parse_id(event) for event in view.grants], salt)


async def _post(
    client: Client, mine: Own, told: tuple[str, Form], grants: Sequence[bytes], salt: bytes = b""
) -> KnowledgePlaced:
    domain, form = told
    body, auth = form.body(), (mine.enrolment, *grants)[:AUTH_MAX]
    draft = Draft(mine.who.did, f"knowledge:{domain}", form.kind, body, auth, _refs(body))
    (placed,) = await client.knowledge.post_signed(domain, [await sign(client, mine.device, draft, salt)])
    return placed


async def _settled(client: Client, placed: KnowledgePlaced, wait_s: float) -> KnowledgePlaced:
    """Return where the node ordered an agent's act, once a person allowed it; as it is after ``wait_s``."""
    if not placed.approval or not wait_s:
        return placed
    view = await decided(client, placed.approval, wait_s)
    return placed if view.state == "waiting" else replace(placed, id=view.event, approval="")


def _waiting(domain: str, view: ApprovalView) -> KnowledgePlaced:
    stream = f"knowledge:{domain}"
    return KnowledgePlaced(id="", stream=stream, seq=0, hlc=[0, 0], kept_from=[], approval=view.id)


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
