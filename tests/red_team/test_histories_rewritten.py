"""What was is changed afterwards: done twice, written twice, dated ahead, or struck from the record."""

from foedus.base.ids import sha256
from foedus.base.limits import SECOND
from foedus.node import audit_files, witnessing
from foedus.node.audit_claims import last_witness
from foedus.node.home import Home
from foedus.surfaces.cli.delegating import Scope
from foedus.trust.audit.rows import Head
from foedus.trust.audit.seals import make_seal, statement_of
from foedus.trust.border import ASK
from tests.hostile.evil import id_of, now
from tests.node.nodes import connect, share, street, until
from tests.node.people import agent, enrol
from tests.node.questions import raw, remember, send_raw
from tests.node.test_audit import rewrite
from tests.red_team.ending import audited, counted, ends, explained
from tests.red_team.stage import stage


async def test_an_act_that_is_done_again(tmp_path):
    """Allowed once, and said twice: the same device and nonce, with a new place and a new clock."""
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with stage(victim) as scene:
            puppet = await scene.enrol("grace", "human", "device")
            once = bytes(16)
            await scene.says("pay the bill", puppet, nonce=once)
            again = await scene.says("pay the bill", puppet, nonce=once)
            await ends(victim, "replayed_nonce", "rejected", scene.evil.id, again)
            assert victim.texts() == ["pay the bill", None]
            assert victim.service.peer(scene.evil.id).evidence[0].kind == "replay"


async def test_an_invocation_that_is_shown_again_after_a_restart(tmp_path):
    """A question that an agent was granted and asked: its node kept the bytes, and sends them again much later."""
    async with street(tmp_path) as it:
        victim, liar = await it.add("victim"), await it.add("liar")
        ada, scout = await enrol(liar, "ada"), await agent(liar, "scout")
        await connect(liar, victim)
        grant = await ada.give(scout, Scope(ASK))
        kept = raw(liar, who="scout", grants=[grant])
        assert await send_raw(liar, victim, kept) == ("answered", "")
        assert await send_raw(liar, victim, kept) == ("seen", ""), "as one that came another way"
        victim = await it.restart("victim")
        await until(lambda: liar.is_linked(victim) and victim.is_linked(liar), "they meet again")
        memory = remember(victim, "lamp")
        assert await send_raw(liar, victim, kept) == ("refused", "ucan_replayed")
        assert memory.asked == [], "nobody looked for an answer"
        await counted(victim, "ucan_replayed")
        row = await audited(victim, "ucan_replayed", "refused", liar.id)
        assert row.act == "query"


async def test_two_histories_for_two_audiences(tmp_path):
    """A fork, in the hope that the two who hear it never compare."""
    async with street(tmp_path) as it:
        victim, friend = await it.add("victim"), await it.add("friend")
        await connect(friend, victim)
        async with stage(victim, friend) as scene:
            await until(friend.service.rooms, "the friend is in the room")
            puppet = await scene.enrol("grace", "human", "device")
            auth = (puppet.stands_on, scene.membership)
            await scene.says("we agreed on ten", puppet)
            other = scene.evil.write(scene.stream, body={"text": "we agreed on twenty"}, device=puppet.key, auth=auth)
            await until(lambda: friend.texts() == ["we agreed on ten"], "the friend heard the one")
            await scene.evil.deliver(other)
            for node in (victim, friend):
                await until(lambda node=node: node.service.status().contested_chains == 1, "it is proved")
                row = await audited(node, "equivocation", "contested", scene.evil.id)
                assert (row.act, row.subject) == ("fork", scene.stream)
                assert node.node.reputations.of(scene.evil.node) <= 600_000
            assert victim.service.peer(scene.evil.id).evidence[0].kind == "fork"
            await counted(victim, "equivocation")
            late = scene.evil.write(scene.stream, 2, id_of(other), body={"text": "well"}, device=puppet.key, auth=auth)
            await scene.evil.deliver(late)
            await until(lambda: victim.service.status().refused["equivocation"] >= 2, "the chain takes no more")
            for node in (victim, friend):
                await until(lambda node=node: node.texts() == [None], "neither history is believed")
                assert node.service.messages("plans").messages[0].why_not == "equivocation"
                await explained(node, id_of(scene.said[0]).hex(), "equivocation")


async def test_a_clock_that_is_set_ahead(tmp_path):
    """So that its word stays the newest, or comes after a withdrawal that is still to be written."""
    async with street(tmp_path) as it:
        victim = await it.add("victim")
        async with stage(victim) as scene:
            puppet = await scene.enrol("grace", "human", "device")
            tomorrow = now() + 86_400 * SECOND
            auth = (puppet.stands_on, scene.membership)
            early = scene.evil.write(scene.stream, body={"text": "first!"}, device=puppet.key, auth=auth, at=tomorrow)
            await scene.evil.deliver(early)
            await ends(victim, "excessive_drift", "put off", scene.evil.id)
            assert not scene.held(early)
            assert victim.node.store.clock.head.us < now() + 6 * SECOND, "our own clock was not dragged along"
            backdated = await scene.says("as of last year", puppet, act_at=1)
            await ends(victim, "excessive_drift", "rejected", scene.evil.id, backdated)


async def test_a_row_of_the_audit_log_that_is_edited(tmp_path, monkeypatch):
    """An operator with all keys strikes out what was decided, seals anew, and tells the new head."""
    monkeypatch.setattr(witnessing, "SETTLE", 0)
    async with street(tmp_path) as it:
        liar, witness = await it.add("liar"), await it.add("witness")
        await connect(liar, witness)
        await share(liar, witness)
        await liar.say("something that is regretted")
        await until(witness.texts, "the witness hears it")
        await liar.node.audit.flush(with_seal=True)
        await until(lambda: _kinds(liar, "audit.witness", witness), "the witness countersigns")
        store = liar.node.store
        node, epoch, keys = store.node, store.epoch, store.keys
        await it.stop("liar")
        rewrite(tmp_path / "liar" / "audit.db", node, epoch, keys)
        exported = tmp_path / "shown.jsonl"
        exported.write_text("\n".join(audit_files.export(Home(tmp_path / "liar"))))
        report = audit_files.verify(exported, audit_files.recall(Home(witness.path)))
        assert not report.ok
        assert any("the witness of node" in problem for problem in report.problems), report.problems
        await _tell_anew(it, witness)


async def _tell_anew(it, witness):
    """Start the liar, which tells what it has now: refused, and evidence."""
    liar = await it.start("liar")
    await until(lambda: liar.is_linked(witness) and witness.is_linked(liar), "they are linked again")
    store, told = liar.node.store, last_witness(witness.node.store, liar.node.store.node)
    (struck,) = audit_files.read_rows(liar.path / "audit.db", told.rows - 1, 1)
    head = Head(told.rows, sha256(struck.data))
    seal = make_seal(statement_of(store.node, store.epoch, head, store.now(), None), store.keys)
    body = {"statement": seal.statement, "ed25519": seal.ed25519, "mldsa65": seal.mldsa65}
    stream, before = liar.node.peers.pair_stream(witness.node.store.node), _kinds(witness, "audit.head", liar)
    await liar.node.author.order([liar.node.author.node_act(stream, "audit.head", body)])
    await until(lambda: _kinds(witness, "audit.head", liar) > before, "the witness hears of the new head")
    await ends(witness, "audit_rewritten", "not countersigned", liar.id)
    assert [each.kind for each in witness.service.peer(liar.id).evidence] == ["breach"]


def _kinds(running, kind, of):
    return sum((view.kind, view.node) == (kind, of.id) for view in running.service.events(limit=1_000).events)
