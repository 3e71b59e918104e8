"""Two real nodes, one crossing, and a third machine: the evidence file proves it, or fails by name."""

import asyncio
from random import Random

import pytest

from foedus.adapters.memory_log import MemoryLog
from foedus.base.cbor import decode, encode
from foedus.base.errors import NotFound
from foedus.log.event import parse_envelope
from foedus.node.home import Home
from foedus.node.proofs import check, prove
from foedus.trust.audit.rows import Decision
from foedus.trust.proof.verify import ProofFailed, verify
from foedus.trust.proof.words import told
from tests.node.border import settle_border
from tests.node.nodes import street, until


async def crossed(street):
    """Return two nodes and the id of a message by an agent of the one in a room of the other, which acknowledged it."""
    oak, elm, _, event = await spoke_abroad(street, "oak", "elm")
    return elm, oak, event


def has_receipt(running):
    return any(row.kind == "crossing.receipt" for row in running.node.log.control_rows())


async def test_both_sides_hold_what_proves_a_crossing(tmp_path):
    async with street(tmp_path) as it:
        elm, oak, event = await crossed(it)
        for side in (elm, oak):
            file = tmp_path / f"{side.name}.proof"
            file.write_bytes(prove(Home(side.path), event))
            proved = check(file)
            assert (proved.id, proved.node) == (event, elm.node.store.node)
            assert [receipt.node for receipt in proved.receipts] == [oak.node.store.node]
            assert proved.agreements[0].id == proved.receipts[0].agreement
            assert {kind for _, kind in proved.stands_on} == {"device.enrol", "member.add", "grant.create"}
            words = "\n".join(told(proved, str))
            assert f"Node {oak.id} signed" in words
            assert "was signed by nodes" in words
        receipt = proved.receipts[0]
        await oak.node.audit.flush()
        rows = await oak.service.audit_rows(limit=1000)
        covered = [row for row in rows.rows if row.n <= receipt.rows and row.digest == event.hex()]
        assert [row.outcome for row in covered] == ["accepted"], "the audit row is among those that the receipt names"
        assert rows.rows[receipt.rows - 1].hash == receipt.head.hex()


async def test_any_changed_byte_makes_it_fail_by_name(tmp_path):
    async with street(tmp_path) as it:
        elm, _, event = await crossed(it)
        data = prove(Home(elm.path), event)
    draw = Random(7)
    places = {*range(40), *(draw.randrange(len(data)) for _ in range(300))}
    for place in places:
        changed = bytearray(data)
        changed[place] ^= draw.randrange(1, 256)
        with pytest.raises(ProofFailed, match=r"hold|authorised"):
            verify(bytes(changed), MemoryLog())


async def test_each_part_is_needed(tmp_path):
    async with street(tmp_path) as it:
        elm, _, event = await crossed(it)
        data = prove(Home(elm.path), event)
        placed = await elm.say("another", agent="scout")
        other = bytes.fromhex(placed.id)
        envelope = elm.node.log.by_ids([other])[other].envelope.encode()
    parts = decode(data)
    for changes, words in (
        ({"event": envelope}, "receipt 1 does not hold: it is of other events"),
        ({"agreements": []}, "the agreement that it names is not in the file"),
        ({"stands_on": parts["stands_on"][:1]}, "not authorised"),
        ({"stands_on": parts["stands_on"][1:]}, "does not fit its chain|not authorised"),
        ({"stands_on": []}, "not authorised"),
        ({"records": parts["records"][:1]}, "identity is not in the file|is not signed by node"),
        (
            {"records": [*parts["records"], parts["records"][0]]},
            "identity record 3 does not hold: it is in the file twice",
        ),
        ({"records": [b"x"]}, "identity record 1 does not hold: [^(]*$"),
        ({"receipts": parts["agreements"]}, "receipt 1"),
        ({"agreements": parts["receipts"]}, "agreement 1"),
        ({"agreements": [parts["stands_on"][0]]}, "agreement 1"),
        ({"receipts": []}, "the file"),
    ):
        with pytest.raises(ProofFailed, match=words):
            verify(encode({**parts, **changes}), MemoryLog())


async def test_an_event_without_receipt_is_not_proved(tmp_path):
    async with street(tmp_path) as it:
        elm = await it.add("elm")
        await elm.service.room_create("alone")
        placed = await elm.say("to nobody", room="alone")
        with pytest.raises(NotFound, match="no receipt"):
            prove(Home(elm.path), bytes.fromhex(placed.id))
        with pytest.raises(NotFound, match="holds no event"):
            prove(Home(elm.path), b"x" * 32)
        with pytest.raises(NotFound):
            check(tmp_path / "none")


async def test_receipts_are_for_what_others_wrote(tmp_path):
    async with street(tmp_path) as it:
        _, oak, _ = await crossed(it)
        own = bytes.fromhex((await oak.say("mine")).id)
        oak.node.receipts.note(own, oak.node.store.node)
        assert not oak.node.receipts._noted
        assert has_receipt(oak)
        assert oak.node.receipts._waiting == {}


async def spoke_abroad(street, host="a", guest="b"):
    """An agent of b speaks in a room of a, by a grant of a human whom the agreement names."""
    a, b, ada, scout = await settle_border(street, host, guest)
    await ada.give(scout)
    placed = await b.say("the ship is in", agent="scout")
    await until(lambda: a.texts() == ["the ship is in"], "it arrives")
    await until(lambda: has_receipt(b), "a receipt comes by itself")
    return a, b, ada, bytes.fromhex(placed.id)


async def test_a_border_act_is_acknowledged_and_proves_its_human(tmp_path):
    async with street(tmp_path) as it:
        a, b, ada, event = await spoke_abroad(it)
        for side in (a, b):
            proved = verify(prove(Home(side.path), event), MemoryLog())
            assert proved.humans == [ada.did]
            assert "grant.create" in {kind for _, kind in proved.stands_on}
            assert f"in the name of {ada.did}" in "\n".join(told(proved, str))
        parts = decode(prove(Home(b.path), event))
    granted = f"participant:{ada.did}"
    without = [data for data in parts["stands_on"] if parse_envelope(data).event.stream != granted]
    with pytest.raises(ProofFailed, match=r"not authorised|not allowed"):
        verify(encode({**parts, "stands_on": without}), MemoryLog())


async def test_grants_of_a_node_that_fell_low_stop_and_the_audit_says_so(tmp_path):
    async with street(tmp_path) as it:
        a, b, _, _ = await spoke_abroad(it)
        for rule, act in (("equivocation", "fork"), ("invalid_signature", "event"), ("invalid_signature", "event")):
            a.node.audit.note(Decision(b.id, act, "", rule, "refused"))
        await a.node.audit.flush()
        assert 390_000 < a.node.reputations.of(b.node.store.node) <= 400_000
        await b.say("again", agent="scout")
        await until(lambda: len(a.service.messages("plans").messages) == 2, "it arrives")
        assert a.service.messages("plans").messages[-1].why_not == "grant.reputation"
        await until(lambda: not a.node.audited._clauses, "the clause is noted, a moment after the message can be read")
        await a.node.audit.flush()
        rows = await a.service.audit_rows(limit=1000)
        assert [row.actor for row in rows.rows if row.rule == "grant.reputation"] == [b.id]


async def test_who_asks_for_receipts_while_they_are_written_waits_and_none_is_given_twice(tmp_path):
    async with street(tmp_path) as it:
        elm, oak, event = await crossed(it)
        given = [row.id for row in oak.node.log.control_rows() if row.kind == "crossing.receipt"]
        oak.node.receipts._waiting[elm.node.store.node] = [event]
        await asyncio.gather(oak.node.receipts.write(), oak.node.receipts.write())
        assert oak.node.receipts._waiting == {}
        await oak.node.store.put()
        now = [row.id for row in oak.node.log.control_rows() if row.kind == "crossing.receipt"]
        assert len(now) == len(given) + 1
