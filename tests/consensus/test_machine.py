"""The built-in state machine: keys with compare-and-set, and the change of members around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import Malformed, NotCanonical, decode, encode, to_plain
from foedus.base.ids import sha256
from foedus.consensus.founding import successor
from foedus.consensus.governing import Governed, consent_bytes
from foedus.consensus.ledger import EARLY, LATE, REPEATED, Ledger, linked
from foedus.consensus.machine import KeyValue
from foedus.consensus.membership import Member
from foedus.consensus.updates import LIFE, NOTHING, Batch, Update
from foedus.crypto.ed25519 import Ed25519Key
from tests.consensus.world import membership_of, public

COUNCIL = bytes(32)


def update(command, number=0, until=10, device=bytes(32)):
    data = command if isinstance(command, bytes) else encode(command)
    return Update(COUNCIL, "ada", device, until, number.to_bytes(16, "big"), (), data, bytes(64))


def put(key, value, expected=None, **changed):
    return update({"op": "put", "key": key, "value": value, "expected": expected}, **changed)


def result(machine, asked):
    return decode(machine.apply(1, asked))


def test_a_key_is_set_only_where_it_is_as_expected():
    machine = KeyValue()
    assert result(machine, put("k", b"1", [None])) == ["done", None]
    assert result(machine, put("k", b"2", [None])) == ["unequal", b"1"]
    assert result(machine, put("k", b"2", [b"1"])) == ["done", b"1"]
    assert result(machine, update({"op": "get", "key": "k"})) == ["value", b"2"]
    assert result(machine, put("k", None)) == ["done", b"2"]
    assert machine.get("k") is None


@pytest.mark.parametrize("command", [b"", b"\xff", {"op": "drop"}, {"op": "put", "key": ""}, [1, 2]])
def test_what_is_no_command_is_a_result_and_changes_nothing(command):
    machine = KeyValue()
    before = machine.root()
    assert result(machine, update(command))[0] == "malformed"
    assert machine.root() == before


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.binary(max_size=3)), max_size=30))
def test_the_root_follows_from_the_entries_alone(steps):
    machine = KeyValue()
    for key, value in steps:
        machine.apply(1, put(key, value))
        machine.root()  # hashes what was touched so far
    fresh = KeyValue()
    entries = dict(steps)
    for key in sorted(entries, reverse=True):
        if entries[key] is not None:
            fresh.apply(1, put(key, entries[key]))
    assert machine.root() == fresh.root()
    assert machine.restored(machine.snapshot()).root() == machine.root()


def test_an_update_is_made_once_in_its_time():
    ledger = Ledger(KeyValue())
    asked = put("k", b"1", until=3)
    assert [decode(it)[0] for it in ledger.make(Batch.of((asked,)))] == ["done"]
    assert ledger.make(Batch.of((asked,))) == [REPEATED]
    assert ledger.is_over(asked)
    restored = ledger.restored(ledger.snapshot())
    assert restored.root() == ledger.root()
    assert restored.make(Batch.of((asked,))) == [REPEATED]
    assert restored.make(Batch.of((asked, put("k", b"1", number=1, until=3)))) == [LATE, LATE]
    assert restored.make(Batch.of((put("k", b"1", until=5 + LIFE + 1),))) == [EARLY]


def test_the_root_covers_all_that_was_made_in_its_order():
    one, other = (Batch.of((put("k", b"1", number=n, until=9),)) for n in range(2))
    ledger, swapped = Ledger(KeyValue()), Ledger(KeyValue())
    ledger.make(one)
    chain = linked(linked(bytes(32), 1, one.digest), 2, other.digest)
    ledger.make(other)
    assert ledger.parts().chain == chain
    for batch in (other, one):
        swapped.make(batch)
    same = ledger.parts()._replace(chain=b"")
    assert swapped.parts()._replace(chain=b"") == same
    assert swapped.root() != ledger.root()
    for later in (ledger.restored(ledger.snapshot()), ledger.renewed(KeyValue())):
        later.make(NOTHING)
        assert later.parts().chain == linked(chain, 3, NOTHING.digest)


def test_a_state_that_is_none_is_refused():
    for state in (b"", b"\xff", encode([1, 2, 3])):
        with pytest.raises((Malformed, NotCanonical)):
            Ledger(KeyValue()).restored(state)


def test_a_quorum_of_members_changes_the_members():
    membership = membership_of(4)
    machine = Governed(KeyValue(), membership)
    key = Ed25519Key(b"n" * 32)
    new = Member(sha256(b"new"), key.public)
    chosen = [*membership.members[:3], new]
    consent = key.sign(consent_bytes(membership, new))
    wish = {"op": "renew", "members": [to_plain(member) for member in chosen], "consents": [consent]}
    same = {"op": "renew", "members": [to_plain(member) for member in membership.members], "consents": []}
    three = {**same, "members": wish["members"][:3]}

    def asks(index, command):
        return result(machine, update(command, device=membership.members[index].ed25519))[0]

    assert asks(0, wish) == "wished"
    assert asks(0, wish) == "wished"
    assert asks(1, wish) == "wished"
    assert asks(1, same) == "withdrawn"
    assert result(machine, update(wish, device=public("client"))) == ["not_permitted", None]
    assert asks(2, {**wish, "members": wish["members"][:1] * 4}) == "malformed"
    assert asks(2, three) == "malformed"
    assert asks(2, {**wish, "consents": []}) == "no_consent"
    assert asks(2, {**wish, "consents": [bytes(64)]}) == "no_consent"
    assert asks(1, wish) == "wished"
    assert machine.renewal is None
    assert machine.restored(machine.snapshot()).root() == machine.root()
    assert asks(3, wish) == "renewed"
    assert {member.node for member in machine.renewal} == {member.node for member in chosen}
    assert machine.restored(machine.snapshot()).renewal == machine.renewal
    assert asks(2, same) == "late"
    assert result(machine, put("k", b"1")) == ["done", None]


def test_a_consent_is_for_one_epoch_alone():
    membership = membership_of(4)
    key = Ed25519Key(b"n" * 32)
    new = Member(sha256(b"new"), key.public)
    later = successor(membership, membership.members)
    machine = Governed(KeyValue(), later)
    chosen = [to_plain(member) for member in (*membership.members[:3], new)]
    old = {"op": "renew", "members": chosen, "consents": [key.sign(consent_bytes(membership, new))]}
    assert result(machine, update(old, device=later.members[0].ed25519)) == ["no_consent", None]
