"""Real nodes and their audit logs: what is written, sealed, told, countersigned, and found when it was rewritten."""

import asyncio

import aiohttp
import apsw
import pytest

from foedus.adapters.log_errors import DiskFull
from foedus.adapters.sqlite_audit import SqliteAudit
from foedus.base.errors import UsageError
from foedus.base.ids import sha256
from foedus.base.limits import MINUTE
from foedus.node import audit_files, witnessing
from foedus.node.audit_claims import remembered
from foedus.node.explained import meaning
from foedus.node.home import Home
from foedus.node.links import BUSY
from foedus.node.store import wall_clock
from foedus.trust import reputation
from foedus.trust.audit.rows import Decision, Draft, Head, follow, parse_row
from foedus.trust.audit.seals import is_signed, make_seal, read_statement, statement_of
from foedus.trust.inputs import HumanResume
from tests.node.nodes import connect, share, street, until


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Peers are told as soon as they can be reached."""
    monkeypatch.setattr(witnessing, "SETTLE", 0)


def rows_of(running):
    return [parse_row(stored.data) for stored in audit_files.read_rows(running.path / "audit.db", 0, 10_000)]


def events(running, kind, of):
    return [view for view in running.service.events(limit=1000).events if (view.kind, view.node) == (kind, of.id)]


def verified(path, home=None):
    return audit_files.verify(path, audit_files.recall(home) if home else None)


async def talked(street):
    """Two nodes that talked, sealed, told each other, and countersigned."""
    elm, oak = await street.add("elm"), await street.add("oak")
    await connect(elm, oak)
    await share(elm, oak)
    await elm.say("hello")
    await until(lambda: oak.texts() == ["hello"], "oak hears it")
    await elm.node.audit.flush(with_seal=True)
    await until(lambda: events(elm, "audit.witness", oak), "oak countersigns")
    return elm, oak


async def test_what_two_nodes_decide_is_written_and_holds(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        await oak.node.audit.flush(with_seal=True)
        written = {(row.act, row.subject.partition(":")[0], row.outcome) for row in rows_of(oak)}
        assert {("peering", "RequestReceived", "done"), ("event", "room", "accepted")} <= written
        (accepted,) = [row for row in rows_of(oak) if row.subject == "HumanAccept"]
        assert (accepted.actor, accepted.rule) == (elm.id, "accepting, tier CORE")
        report = verified(elm.path / "audit.db", Home(elm.path))
        assert report.ok, report.problems
        assert report.claims >= 2
        assert (elm.path / "audit.db").stat().st_mode & 0o077 == 0


async def test_a_log_that_was_rewritten_and_sealed_anew_is_exposed_by_the_peer(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        keys = elm.node.store.keys
        node, epoch, count = elm.node.store.node, elm.node.store.epoch, elm.node.audit.seal
        assert count is not None
        await it.stop("elm")
        rewrite(tmp_path / "elm" / "audit.db", node, epoch, keys)
        alone = verified(tmp_path / "elm" / "audit.db")
        assert alone.ok, "the operator holds all keys: by itself the file cannot show it"
        assert not verified(tmp_path / "elm" / "audit.db", Home(tmp_path / "elm")).ok, "the node's own log remembers"
        exported = tmp_path / "shown.jsonl"
        exported.write_text("\n".join(line for line in audit_files.export(Home(tmp_path / "elm"))))
        report = verified(exported, Home(oak.path))
        assert not report.ok
        assert any("the witness of node" in problem for problem in report.problems)
        elm = await it.start("elm")
        elm.node.audit.note(Decision("node", "operator", "", "", "done"))
        await elm.node.audit.flush()
        assert "audit_rewritten" in {trouble.code for trouble in elm.service.status().troubles}


def rewrite(path, node, epoch, keys):
    """Do what an operator with all keys can: change a row, chain all that follow anew, and seal the end."""
    log = apsw.Connection(str(path))
    rows = [parse_row(data) for _, data in log.execute("SELECT n, row FROM rows ORDER BY n").fetchall()]
    head = Head(0, None)
    for row in rows:
        values = {name: getattr(row, name) for name in Draft._fields}
        values["outcome"] = "rewritten" if row.n == 2 else row.outcome
        link = follow(head, Draft(**values))
        log.execute("UPDATE rows SET row = ? WHERE n = ?", (link.data, link.n))
        head = Head(link.n, link.hash)
    log.execute("DELETE FROM seals")
    seal = make_seal(statement_of(node, epoch, head, rows[-1].at, None), keys)
    log.execute("INSERT INTO seals VALUES (?, ?, ?, ?)", (head.rows, seal.statement, seal.ed25519, seal.mldsa65))
    log.close()


async def test_who_is_turned_away_before_it_is_known_is_written_down(tmp_path):
    async with street(tmp_path) as it, aiohttp.ClientSession() as session:
        elm = await it.add("elm")
        async with session.ws_connect(f"{elm.url}/api/federation/link") as socket:
            await socket.send_bytes(b"no handshake")
            await socket.receive(10)
        await until(lambda: "bad_handshake" in elm.service.status().refused, "it is counted")
        await elm.node.audit.flush()
        (row,) = [row for row in rows_of(elm) if row.subject == "handshake"]
        assert (row.actor, row.act, row.rule, row.outcome) == ("127.0.0.1", "link", "bad_handshake", "refused")
        head = elm.node.audit.head
        for _ in range(600):
            elm.node.links.on_turned_away("192.0.2.1", BUSY)
        await elm.node.audit.flush()
        assert elm.node.audit.head == head, "a crowd causes no write"
        elm.service.note_operation("operator", "POST /rooms", "")
        await elm.node.audit.flush()
        assert sum(row.times for row in rows_of(elm) if row.rule == BUSY) == 600, "and is counted with what follows"


async def test_two_idle_nodes_stay_silent(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        await oak.node.audit.flush(with_seal=True)
        await until(lambda: events(oak, "audit.witness", elm), "elm countersigns")
        for running in (elm, oak):
            await running.node.audit.flush()  # a last word of the talk may have come after its seal
        before = [len(rows_of(running)) for running in (elm, oak)]
        for running in (elm, oak):
            assert not running.node.audit._gatherer.is_due
        await asyncio.sleep(1.2)
        assert [len(rows_of(running)) for running in (elm, oak)] == before
        assert [len(events(elm, "audit.head", who)) for who in (elm, oak)] == [1, 1]
        await elm.node.witnesses.speak()
        assert len(events(elm, "audit.head", elm)) == 1, "nothing new is told"


async def test_a_peer_is_told_at_most_once_a_minute(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        for number in range(3):
            await elm.say(f"more {number}")
            await elm.node.audit.flush(with_seal=True)
            await elm.node.witnesses.speak()
        assert len(events(elm, "audit.head", elm)) == 1
        elm.node.witnesses._told_at.clear()
        oak.node.witnesses._answered_at.clear()
        await elm.node.witnesses.speak()
        await until(lambda: len(events(elm, "audit.witness", oak)) == 2, "the newest head is countersigned")


async def test_an_older_head_is_not_countersigned_and_is_evidence(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        store = elm.node.store
        forged = make_seal(statement_of(store.node, store.epoch, Head(1, b"x" * 32), store.now(), None), store.keys)
        body = {"statement": forged.statement, "ed25519": forged.ed25519, "mldsa65": forged.mldsa65}
        stream = elm.node.peers.pair_stream(oak.node.store.node)
        await elm.node.author.order([elm.node.author.node_act(stream, "audit.head", body)])
        await until(lambda: oak.node.ingest.refusals["audit_rewritten"], "it arrives and is judged")
        await oak.node.audit.flush()
        (evidence,) = oak.service.peer(elm.id).evidence
        assert (evidence.kind, evidence.points) == ("breach", 50_000)
        assert oak.service.peer(elm.id).reputation == 950_000
        assert [row.rule for row in rows_of(oak) if row.n == evidence.row] == ["audit_rewritten"]
        assert len(events(oak, "audit.witness", oak)) == 1


async def test_both_keys_seal_each_minute_and_each_thousand_rows(tmp_path):
    async with street(tmp_path) as it:
        now = [wall_clock()]
        elm = await it.add("elm", lambda: now[0])
        audit = elm.node.audit

        async def sealed(decisions=0):
            """Let that be decided, and return how many rows are sealed."""
            for number in range(decisions):
                audit.note(Decision(f"192.0.2.{number // 50}", "federation", f"GET /{number}", "bad", "refused"))
            await audit.flush()
            return read_statement(audit.seal).count if audit.seal else 0

        assert await sealed(1) == 0
        now[0] += MINUTE - 1
        assert await sealed() == 0
        now[0] += 1
        begun = await sealed()
        assert begun == audit.head.rows > 0
        assert await sealed(999) == begun, "a row is missing"
        assert await sealed(1) == begun + 1_000, "before the minute is over"
        keys = elm.node.store.record.record.keys
        assert is_signed(audit.seal, (keys.ed25519, keys.mldsa65))


@pytest.mark.parametrize("forged", ["ed25519", "mldsa65"])
async def test_a_head_without_both_signatures_is_not_countersigned_and_is_evidence(tmp_path, forged):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        oak.node.witnesses._answered_at.clear()
        store, head = elm.node.store, Head(elm.node.audit.head.rows + 1, b"x" * 32)
        seal = make_seal(statement_of(store.node, store.epoch, head, store.now(), None), store.keys)
        body = {"statement": seal.statement, "ed25519": seal.ed25519, "mldsa65": seal.mldsa65}
        body[forged] = bytes(len(body[forged]))
        stream = elm.node.peers.pair_stream(oak.node.store.node)
        await elm.node.author.order([elm.node.author.node_act(stream, "audit.head", body)])
        await until(lambda: oak.node.ingest.refusals["invalid_signature"], "it arrives and is judged")
        await oak.node.audit.flush()
        (evidence,) = oak.service.peer(elm.id).evidence
        assert evidence.kind == "bad_signature"
        await oak.node.witnesses.speak()
        assert len(events(oak, "audit.witness", oak)) == 1


async def test_a_kill_between_rows_and_seal_leaves_a_chain_that_goes_on(tmp_path):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        await elm.service.room_create("one")
        await elm.node.audit.flush()
        it.backup("elm", "killed")  # what kill -9 leaves: rows, and no seal of them
        await it.stop("elm")
        it.restore("elm", "killed")
        (tmp_path / "elm" / "node.json").unlink(missing_ok=True)
        assert audit_files.newest(tmp_path / "elm" / "audit.db", 1)[0].n >= 1
        elm = await it.start("elm")
        await elm.service.room_create("two")
        await elm.node.audit.flush(with_seal=True)
        report = verified(elm.path / "audit.db", Home(elm.path))
        assert report.ok, report.problems
        assert report.unsealed == 0


async def test_rows_that_a_restore_lost_are_named_and_the_log_goes_on(tmp_path):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        await elm.service.room_create("one")
        await it.stop("elm")
        it.backup("elm", "old")
        await it.start("elm")
        elm, oak = it.running["elm"], await it.add("oak")
        await connect(elm, oak)
        await elm.node.audit.flush(with_seal=True)
        await until(lambda: events(elm, "audit.witness", oak), "oak countersigns")
        told = elm.node.audit.head.rows
        await it.stop("elm")
        (tmp_path / "elm" / "audit.db").write_bytes((tmp_path / "old" / "audit.db").read_bytes())
        elm = await it.start("elm")
        await elm.service.room_create("two")
        await elm.node.audit.flush(with_seal=True)
        first = next(row for row in rows_of(elm) if row.rule == "restored")
        assert (first.n, first.last) == (told + 1, told)
        report = verified(elm.path / "audit.db", Home(elm.path))
        assert [problem for problem in report.problems if "missing" in problem] == report.problems != []


async def test_a_full_disk_is_a_trouble_and_nothing_is_lost_without_a_count(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        await elm.service.room_create("one")
        await elm.node.audit.flush()

        def full(*_):
            raise DiskFull("no room")

        monkeypatch.setattr(SqliteAudit, "append", full)
        for _ in range(100):
            elm.service.note_operation("operator", "POST /rooms", "")
        assert not await elm.node.audit.flush()
        for _ in range(100):
            elm.service.note_operation("operator", "POST /rooms", "")
        assert not await elm.node.audit.flush()
        (trouble,) = elm.service.status().troubles
        assert trouble.code == "audit_disk_full"
        await elm.service.room_create("the node goes on")
        monkeypatch.undo()
        assert await elm.node.audit.flush()
        assert await elm.node.audit.flush()
        assert elm.service.status().troubles == []
        assert sum(row.times for row in rows_of(elm) if row.act == "operator") == 200


async def test_a_damaged_audit_log_never_keeps_a_node_from_its_work(tmp_path):
    async with street(tmp_path) as it:
        await it.add("elm")
        await it.stop("elm")
        (tmp_path / "elm" / "audit.db").write_bytes(b"this is no database at all" * 100)
        elm = await it.start("elm")
        await elm.service.room_create("one")
        assert not await elm.node.audit.flush()
        assert [trouble.code for trouble in elm.service.status().troubles] == ["audit_damaged_database"]


async def test_who_falls_low_is_paused_until_a_human_decides(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = it.running.get("elm") or await it.add("elm"), await it.add("oak")
        await connect(elm, oak)
        bad = Decision(oak.id, "event", "", "invalid_signature", "refused")
        fork = Decision(oak.id, "fork", "node", "equivocation", "contested", times=2)
        for decision in (*[bad] * 5, fork):
            elm.node.audit.note(decision)
        assert elm.node.reputations.of(oak.node.store.node) == 1_000_000
        await elm.node.audit.flush()
        assert elm.node.reputations.of(oak.node.store.node) == 0
        assert not elm.node.reputations.grants_count(oak.node.store.node)
        await until(lambda: elm.peer(oak).paused and elm.peer(oak).link == "none", "the link is closed")
        assert "reputation" in {trouble.code for trouble in elm.service.status().troubles}
        shown = elm.service.peer(oak.id)
        assert sum(each.points for each in shown.evidence) >= 1_000_000
        assert {each.row for each in shown.evidence} <= {row.n for row in rows_of(elm)}
        await elm.node.peers.handle(oak.node.store.node, HumanResume())
        await elm.node.audit.flush()
        assert not elm.peer(oak).paused, "a human is not overruled by the same evidence"
        await it.stop("elm")
        elm = await it.start("elm")
        await until(lambda: elm.node.reputations.of(oak.node.store.node) == 0, "evidence outlives a restart")


async def test_an_exported_log_is_verified_without_a_node(tmp_path):
    async with street(tmp_path) as it:
        elm, _ = await talked(it)
        lines = list(audit_files.export(Home(elm.path)))
        exported = tmp_path / "elm.jsonl"
        exported.write_text("\n".join(lines))
        report = verified(exported)
        assert report.ok, report.problems
        assert (report.node, report.seals) == (elm.id, 1)
        assert report.claims >= 2
        row = next(place for place, line in enumerate(lines) if '"type": "row"' in line and '"n": 3' in line)
        exported.write_text("\n".join([*lines[:row], lines[row].replace('"done"', '"refused"'), *lines[row + 1 :]]))
        assert any("row 3 was edited" in problem for problem in verified(exported).problems)
        exported.write_text("\n".join([*lines[:row], *lines[row + 1 :]]))
        assert "row 3 is missing" in verified(exported).problems
        witness = next(place for place, line in enumerate(lines) if '"type": "witness"' in line)
        exported.write_text("\n".join([*lines[:witness], lines[witness].replace("audit", "audit")[:-6] + '00"}']))
        with pytest.raises(UsageError):
            verified(exported)
        exported.write_text("nothing")
        with pytest.raises(UsageError, match="line 1"):
            verified(exported)


async def test_rows_can_be_read_and_followed(tmp_path):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        follower = elm.service.audit_follow()
        waiting = asyncio.ensure_future(anext(follower))
        await asyncio.sleep(0)
        elm.service.note_operation("operator", "POST /rooms", "bad_name")
        await elm.node.audit.flush()
        row = await waiting
        assert (row.n, row.actor, row.subject, row.rule, row.outcome) == (
            1,
            "operator",
            "POST /rooms",
            "bad_name",
            "refused",
        )
        await follower.aclose()
        page = await elm.service.audit_rows(after="0", limit=10)
        assert page.rows == [row]
        assert (page.cursor, row.hash) == ("1", sha256(audit_files.newest(elm.path / "audit.db", 1)[0].data).hex())
        with pytest.raises(UsageError):
            await elm.service.audit_rows(after="x")


def test_all_that_is_evidence_is_said_in_words():
    assert [rule for rule in reputation._BY_RULE if not meaning(rule)] == []


@pytest.mark.parametrize("how", ["busy", "rotated"])
async def test_a_head_that_was_countersigned_is_remembered_whatever_came_after_it(tmp_path, how):
    """It was looked for among the last 64 events that this node wrote to that peer in this epoch."""
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        if how == "rotated":
            await oak.service.key_rotate()
        else:
            author, stream = oak.node.author, oak.node.peers.pair_stream(elm.node.store.node)
            await author.order([author.node_act(stream, "noise.made", {"n": n}) for n in range(70)])
        oak = await it.restart("oak")
        await until(lambda: oak.is_linked(elm), "they meet again")
        author, store = elm.node.author, elm.node.store
        forged = make_seal(statement_of(store.node, store.epoch, Head(1, b"x" * 32), store.now(), None), store.keys)
        body = {"statement": forged.statement, "ed25519": forged.ed25519, "mldsa65": forged.mldsa65}
        stream = elm.node.peers.pair_stream(oak.node.store.node)
        await author.order([author.node_act(stream, "audit.head", body)])
        await until(lambda: oak.service.status().refused.get("audit_rewritten"), "it is refused")
        await oak.node.audit.flush()
        assert [row.outcome for row in rows_of(oak) if row.rule == "audit_rewritten"] == ["not countersigned"]


async def test_an_audit_log_that_is_lost_is_noticed_after_a_busy_day(tmp_path):
    async with street(tmp_path) as it:
        elm, oak = await talked(it)
        told = remembered(elm.node.store)
        author, stream = elm.node.author, elm.node.peers.pair_stream(oak.node.store.node)
        await author.order([author.node_act(stream, "noise.made", {"n": n}) for n in range(70)])
        await it.stop("elm")
        for file in (tmp_path / "elm").glob("audit.db*"):
            file.unlink()
        elm = await it.start("elm")
        await elm.service.room_create("after it")
        await elm.node.audit.flush()
        assert rows_of(elm)[0].n == told.rows + 1
        assert rows_of(elm)[0].rule == "restored"
