"""Knowledge told and found in tests: by the node itself, an agent, or a person with a key of their own."""

import asyncio

from foedus.log import streams
from foedus.node.knowledge_forms import ClaimForm, DoneForm, OfferForm, PublishForm, RetractForm, ReviseForm
from foedus.surfaces.cli.signing import Draft
from tests.node.nodes import WAIT_S, until

__all__ = ["ClaimForm", "DoneForm", "OfferForm", "PublishForm", "RetractForm", "ReviseForm"]
DOMAIN = "biology.insects"
_PAUSE_S = 0.01


def asks_nobody(it):
    """Let a node publish what its agents say without a person's word: what holds is the other node's judgement."""
    it.node.consent.needs = lambda _draft, _crossings: []


async def tell(it, form):
    (placed,) = await it.service.knowledge_tell([form])
    return placed


async def publish(it, title="Bees dance", content="A waggle dance tells where the flowers are.", **more):
    """Publish a packet as the node itself (or ``as_`` an agent); return its id."""
    return (await tell(it, PublishForm(**{"domain": DOMAIN, "title": title, "content": content} | more))).id


async def say_signed(person, form, auth=(), domain=DOMAIN, salt=b""):
    """Tell something as a person whose key the test holds."""
    draft = Draft(person.did, streams.knowledge(domain), form.kind, form.body(), (person.enrolment, *auth))
    act = person.sign(draft, salt)
    (placed,) = await person.running.service.knowledge_signed(domain, [act])
    return placed


async def titles(it, text, **more):
    return [view.title for view in await it.service.knowledge_search(text, **more)]


async def finds(it, text, wanted, **more):
    """Wait until a search finds exactly these titles."""
    found = []
    for _ in range(round(WAIT_S / _PAUSE_S)):
        found = await titles(it, text, **more)
        if found == wanted:
            return
        await asyncio.sleep(_PAUSE_S)
    assert found == wanted


async def holds(it, event):
    await until(lambda: it.service.event(event), f"{it.name} holds {event[:8]}")
