"""Uses of grants are counted within bounds, and what is not counted is not allowed."""

from types import SimpleNamespace

import pytest

from foedus.base.limits import HOUR, SECOND
from foedus.node import grant_uses
from foedus.node.grant_uses import GrantUses
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.border import SPEAK
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol

NOW = 1_700_000_000 * SECOND


def grant(number, allowed=10, node=b"n" * 32):
    meta = {"uses_per_hour": allowed} if allowed else {}
    delegation = SimpleNamespace(meta=meta)
    return SimpleNamespace(id=number.to_bytes(32, "big"), issuer=SimpleNamespace(node=node), delegation=delegation)


@pytest.fixture
def uses():
    admission = SimpleNamespace(chains=SimpleNamespace(of_node=lambda _node: []))
    return GrantUses(SimpleNamespace(admission=admission, now=lambda: NOW))


def use(uses, one, at):
    if not uses.allows(one, at):
        return False
    uses.note(one, at)
    return True


def test_a_node_has_so_many_uses_counted_and_others_are_not_held_up(uses, monkeypatch):
    """4,096 grants of 10,000 uses each were 1.5 GB."""
    monkeypatch.setattr(grant_uses, "USES_MAX", 5)
    done = [use(uses, grant(number % 3), NOW + number) for number in range(8)]
    assert done == [True] * 5 + [False] * 3
    assert use(uses, grant(7, node=b"m" * 32), NOW)
    assert uses.allows(grant(8, allowed=0), NOW), "what has no limit needs no count"
    assert not use(uses, grant(0), NOW + HOUR - 1)
    assert use(uses, grant(0), NOW + HOUR + 10 * SECOND)


def test_a_node_has_so_many_grants_counted(uses, monkeypatch):
    monkeypatch.setattr(grant_uses, "COUNTED_MAX", 2)
    assert [use(uses, grant(number), NOW) for number in (1, 2, 3, 1)] == [True, True, False, True]
    assert use(uses, grant(3), NOW + HOUR + SECOND)


def test_at_the_bound_the_uses_are_not_looked_through_at_each_act(uses, monkeypatch):
    monkeypatch.setattr(grant_uses, "USES_MAX", 1)
    swept = []
    sweep = grant_uses._NodeUses._sweep
    monkeypatch.setattr(grant_uses._NodeUses, "_sweep", lambda it, now: swept.append(now) or sweep(it, now))
    for number in range(100):
        use(uses, grant(1), NOW + number)
    assert len(swept) == 1


async def test_what_is_not_read_after_a_start_counts_as_used(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada = await enrol(b, "ada")
        scout = await agent(b, "scout")
        await connect(b, a)
        await share(a, b)
        await ada.give(scout, Scope(SPEAK, uses=9))
        for text in ("one", "two"):
            await b.say(text, "scout")
        monkeypatch.setattr(grant_uses, "READ_MAX", 1)
        monkeypatch.setattr(grant_uses, "_PAGE", 1)
        b = await it.restart("b")
        assert (await b.say("three", "scout")).approval
        monkeypatch.undo()
        b = await it.restart("b")
        assert (await b.say("four", "scout")).id
        await until(lambda: a.texts() == ["one", "two", "four"], "it crosses")
