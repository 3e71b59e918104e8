"""How every story ends, as the victim's own people find it: refused is for the story to say; the rest is here."""

import asyncio

from tests.node.nodes import WAIT_S, until


async def rows(victim):
    """Return the audit log as `foedus audit tail` shows it."""
    await victim.node.audit.flush()
    return (await victim.service.audit_rows(limit=1_000)).rows


async def counted(victim, code):
    """Wait until the refusal is counted where `foedus status` shows it, or in the metrics of the doors."""
    label = f'="{code}"}} '.encode()
    await until(
        lambda: victim.service.status().refused.get(code) or label in victim.service.metrics(), f"{code} is counted"
    )


async def audited(victim, code, outcome, actor):
    """Find the row that says who was refused by which rule, and that says it in words; return it.

    What is durable can be read a moment before it is noted, so the row may still be on its way.
    """
    with victim.node.audit.reading() as written:
        while not (found := await _found(victim, code, outcome, actor)):
            written.clear()
            try:
                await asyncio.wait_for(written.wait(), WAIT_S)
            except TimeoutError:
                raise AssertionError(f"no row says that {actor} was {outcome} by {code}") from None
    assert found[-1].why, f"{code} is not said in words"
    return found[-1]


async def _found(victim, code, outcome, actor):
    return [
        row
        for row in await rows(victim)
        if (row.rule, row.outcome) == (code, outcome) and (row.actor == actor or row.aggregated)
    ]


async def explained(victim, event_id, code):
    """See that a person who asks about the event hears which layer and clause, and that its text is nowhere."""
    view = victim.service.explain("event", event_id)
    assert (view.allowed, view.code) == (False, code)
    assert view.layer
    assert view.why
    shown = next(each for each in victim.service.events(limit=1_000).events if each.id == event_id)
    assert (shown.message.text if shown.message else None, shown.body) == (None, None)


async def ends(victim, code, outcome, actor, event_id=""):
    """Counted, audited, explained."""
    await counted(victim, code)
    row = await audited(victim, code, outcome, actor)
    if event_id:
        await explained(victim, event_id, code)
    return row
