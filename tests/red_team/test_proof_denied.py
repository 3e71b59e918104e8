"""A node that took an act wants no third party to be convinced of it: it spoils what the other side can show."""

import tracemalloc
from dataclasses import dataclass

import pytest

from foedus.adapters.memory_log import MemoryLog
from foedus.base.cbor import decode, encode, to_plain
from foedus.base.errors import Unavailable
from foedus.base.ids import sha256
from foedus.identity.record import first_record, recovery_successor
from foedus.identity.recovery import RecoverySecrets
from foedus.log import streams
from foedus.log.event import parse_envelope
from foedus.node import proofs
from foedus.node.home import Home
from foedus.node.proofs import check, prove
from foedus.trust.agreement import sign
from foedus.trust.agreements.terms import Terms
from foedus.trust.proof.file import FILE_MAX
from foedus.trust.proof.receipt import Receipt, make_receipt, read_receipt
from foedus.trust.proof.verify import Case, ProofFailed, verify
from foedus.trust.proof.words import told
from tests.hostile.evil import Evil, fresh_keys
from tests.node.nodes import street, until
from tests.node.test_agreements_across_nodes import in_force, propose, word
from tests.node.test_proof import spoke_abroad


@dataclass
class Crossing:
    """An act of b at a, which gave a receipt and now denies it."""

    a: object
    b: object
    event: bytes

    @property
    def pair(self):
        return streams.pair(self.a.node.store.node, self.b.node.store.node)

    def receipts(self):
        """Return the bodies of the receipts that b holds."""
        return [row.envelope.body for row in self.b.node.log.control_rows() if row.kind == "crossing.receipt"]

    async def write(self, kind, body):
        """Let a write what it likes into the stream of the two, and wait until b holds it."""
        author = self.a.node.author
        (row,) = await author.order([author.node_act(self.pair, kind, body)])
        await until(lambda: self.b.node.log.by_ids([row.id]), f"{kind} arrives")

    def proved(self):
        return verify(prove(Home(self.b.path), self.event), MemoryLog())


@pytest.fixture
async def crossing(tmp_path):
    async with street(tmp_path) as it:
        a, b, _, event = await spoke_abroad(it)
        yield Crossing(a, b, event)


async def test_receipts_that_do_not_hold_spoil_no_evidence(crossing):
    """One bad receipt among good ones, and the whole file proved nothing."""
    signed, receipt = read_receipt(crossing.receipts()[0])
    saying = {**to_plain(receipt), "ids": (crossing.event,)}
    bodies = [
        {**to_plain(signed), "mldsa65": bytes(3309)},
        {**to_plain(signed), "statement": encode({"ids": [crossing.event]})},
        *(
            make_receipt(Receipt(**{**saying, **changes}), crossing.a.node.store.keys)
            for changes in ({"agreement": b"x" * 32}, {"peer": b"y" * 32}, {"node": b"z" * 32}, {"agreement": None})
        ),
    ]
    for body in bodies:
        await crossing.write("crossing.receipt", body)
    proved = crossing.proved()
    assert [each.agreement for each in proved.receipts] == [receipt.agreement, None]
    assert "whom the agreement names" not in "\n".join(told(proved, str)), "one side says that there was none"


async def test_agreements_that_do_not_hold_spoil_no_evidence(tmp_path):
    """The first event with the agreed document was taken, however it was signed; one that holds none ended it all."""
    async with street(tmp_path) as it:
        a, b, ada, event = await spoke_abroad(it)
        crossing = Crossing(a, b, event)
        await crossing.write("agreement.sign", {"agreement": b"no document"})
        assert crossing.proved().receipts
        drafted = await propose(a, b, Terms(retention_days=30))
        rows = a.node.log.control_rows()
        document = next(decode(row.envelope.body)["agreement"] for row in rows if row.kind == "agreement.propose")
        forged = {"agreement": document, "signatures": [bytes(64), bytes(64)], "human": None}
        await crossing.write("agreement.sign", forged)
        await b.service.agreements.sign(a.id, drafted.id, word(ada.key, drafted.document))
        await until(lambda: in_force(a, b) == in_force(b, a) == drafted.id, "version 2 is in force")
        crossing.event = bytes.fromhex((await b.say("under version 2", agent="scout")).id)
        await until(lambda: any(crossing.event in body for body in crossing.receipts()), "its receipt comes")
        assert crossing.proved().agreements[0].document.version == 2


async def test_an_agreement_that_no_receipt_names_is_not_proved_beside_it(crossing):
    """Under a key of the other side that leaked, and was rotated since, anything could be shown as agreed."""
    file = decode(prove(Home(crossing.b.path), crossing.event))
    keys = {running.node.store.node: running.node.store.keys.ed25519 for running in (crossing.a, crossing.b)}
    agreed = decode(parse_envelope(file["agreements"][0]).envelope.body)["agreement"]
    forged = encode({**decode(agreed), "salt": bytes(32), "retention": 30_000})
    signatures = [sign(keys[node], forged) for node in sorted(keys)]
    await crossing.write("agreement.sign", {"agreement": forged, "signatures": signatures, "human": None})
    row = next(row for row in crossing.b.node.log.control_rows() if forged in (row.envelope.body or b""))
    with pytest.raises(ProofFailed, match="agreement 2 does not hold: no receipt names it"):
        verify(encode({**file, "agreements": [*file["agreements"], row.envelope.encode()]}), MemoryLog())


async def test_terms_that_only_the_receiving_node_signed_prove_nothing(crossing):
    """It says in its receipt that it took the act under them; the author's node never saw them."""
    file = decode(prove(Home(crossing.b.path), crossing.event))
    a, b = (it.node.store for it in (crossing.a, crossing.b))
    agreed = decode(parse_envelope(file["agreements"][0]).envelope.body)["agreement"]
    forged = encode({**decode(agreed), "salt": bytes(32), "retention": 30_000})
    own = sign(a.keys.ed25519, forged)
    for theirs in (bytes(64), own):
        signatures = [own if node == a.node else theirs for node in sorted([a.node, b.node])]
        await crossing.write("agreement.sign", {"agreement": forged, "signatures": signatures, "human": None})
        saying = to_plain(read_receipt(crossing.receipts()[0])[1])
        named = {**saying, "ids": (crossing.event,), "agreement": sha256(forged)}
        await crossing.write("crossing.receipt", make_receipt(Receipt(**named), a.keys))
        events = [row.envelope.encode() for row in b.log.control_rows() if row.kind == "agreement.sign"]
        receipts = [row.envelope.encode() for row in b.log.control_rows() if row.kind == "crossing.receipt"]
        with pytest.raises(ProofFailed, match=f"agreement 1 does not hold: it is not signed by node {b.node.hex()}"):
            verify(encode({**file, "agreements": [events[-1]], "receipts": [receipts[-1]]}), MemoryLog())


async def test_a_receipt_that_the_author_wrote_itself_proves_nothing(crossing):
    file = decode(prove(Home(crossing.b.path), crossing.event))
    a, b = (it.node.store for it in (crossing.a, crossing.b))
    saying = to_plain(read_receipt(crossing.receipts()[0])[1])
    own = {**saying, "ids": (crossing.event,), "node": b.node, "peer": a.node, "epoch": b.epoch}
    author = crossing.b.node.author
    (row,) = await author.order(
        [author.node_act(crossing.pair, "crossing.receipt", make_receipt(Receipt(**own), b.keys))]
    )
    with pytest.raises(ProofFailed, match="receipt 1 does not hold: it is not between the author's node and another"):
        verify(encode({**file, "receipts": [row.envelope.encode()]}), MemoryLog())


def test_an_event_of_an_epoch_that_a_recovery_voided_proves_nothing():
    """A thief rotated the keys and signed; the owner recovered from the record before."""
    owner = Evil()
    words = RecoverySecrets(bytes([4]) * 32)
    owner.records = [first_record(owner.keys, words.hash, bytes(32))]
    recovered = recovery_successor(owner.records[0], words, fresh_keys(), bytes(32))
    owner.rotate()
    said = owner.write(streams.room(bytes(32)), body={"text": "signed by a thief"})
    records = [record.encode() for record in (*owner.records, recovered)]
    for held, why in (
        (records[:2], "not authorised"),
        (records, "or was voided"),
    ):
        with pytest.raises(ProofFailed, match=why):
            Case(said.encode(), [], held, MemoryLog())


def test_a_file_of_empty_lists_does_not_fill_the_memory_of_who_checks_it(tmp_path):
    """64 MiB of them took 4.7 GB to decode, before any count was looked at; a longer file was read whole first."""
    lists = b"\xa1\x61v\x9a" + (4_000_000).to_bytes(4, "big") + b"\x80" * 4_000_000
    tracemalloc.start()
    with pytest.raises(ProofFailed, match="more than 4304 values"):
        verify(lists, MemoryLog())
    path = tmp_path / "sparse.proof"
    with path.open("wb") as file:
        file.truncate(4 * FILE_MAX)
    with pytest.raises(ProofFailed, match="at most"):
        check(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * FILE_MAX


async def test_a_host_that_writes_memberships_afterwards_makes_no_evidence_too_large(crossing, monkeypatch):
    """The whole streams are in a file, to their end; 4,000 events more at their end, and there was no file."""
    before = len(decode(prove(Home(crossing.b.path), crossing.event))["stands_on"])
    monkeypatch.setattr(proofs, "EVENTS_MAX", before + 5)
    for number in range(10):
        await crossing.a.service.room_role("plans", crossing.b.id, 400 + number)
    room = crossing.b.service._rooms.find("plans").id
    members = streams.members(room)
    chains = crossing.b.node.store.admission.chains
    await until(lambda: sum(chain.seq for chain in chains.of_stream(members)) >= 12, "they arrive")
    assert crossing.proved().receipts


async def test_a_host_that_wrote_memberships_before_makes_no_evidence_too_large(crossing, monkeypatch):
    """4,000 of them before the act, of anybody, and there was no file of any act in that room."""
    for number in range(30):
        await crossing.a.service.room_role("plans", crossing.b.id, 400 + number)
    members = streams.members(crossing.b.service._rooms.find("plans").id)
    chains = crossing.b.node.store.admission.chains
    await until(lambda: sum(chain.seq for chain in chains.of_stream(members)) >= 32, "they arrive")
    crossing.event = bytes.fromhex((await crossing.b.say("behind them", agent="scout")).id)
    await until(lambda: any(crossing.event in body for body in crossing.receipts()), "its receipt comes")
    monkeypatch.setattr(proofs, "EVENTS_MAX", 12)
    assert crossing.proved().receipts


async def test_who_granted_for_years_still_proves_an_act(tmp_path, monkeypatch):
    """Whole streams were in a file: after 4,000 grants of a person nothing in their name could be proved."""
    async with street(tmp_path) as it:
        a, b, ada, event = await spoke_abroad(it)
        scout = next(who for who in b.node.agents.local() if who.kind == "agent")
        for _ in range(20):
            await ada.take_back(await ada.give(scout.did))
        crossing = Crossing(a, b, bytes.fromhex((await b.say("years later", agent="scout")).id))
        await until(lambda: any(crossing.event in body for body in crossing.receipts()), "its receipt comes")
        monkeypatch.setattr(proofs, "EVENTS_MAX", 12)
        assert crossing.proved().humans == [ada.did]
        crossing.event = event
        assert crossing.proved().humans == [ada.did]


async def test_a_chain_in_a_file_begins_with_its_first_event(crossing):
    """Else whoever makes it could leave out who may speak at all."""
    file = decode(prove(Home(crossing.b.path), crossing.event))
    later = [data for data in file["stands_on"] if parse_envelope(data).event.seq > 1]
    with pytest.raises(ProofFailed, match="does not fit its chain"):
        verify(encode({**file, "stands_on": later}), MemoryLog())


async def test_a_receipt_that_cannot_be_written_now_is_written_later(crossing, monkeypatch):
    """Whatever failed, the acts of that second got no receipt, and nobody counted them."""
    monkeypatch.setattr("foedus.node.receipts.RETRY_S", 0.1)
    receipts = crossing.a.node.receipts
    write, failed = receipts._write, []

    async def fails_once(peer, ids):
        if not failed:
            failed.append(ids)
            raise Unavailable("the disk is full")
        await write(peer, ids)

    monkeypatch.setattr(receipts, "_write", fails_once)
    crossing.event = bytes.fromhex((await crossing.b.say("again", agent="scout")).id)
    await until(lambda: failed, "it fails")
    await until(lambda: any(crossing.event in body for body in crossing.receipts()), "its receipt comes")
