from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.identity.ucan import (
    DelegationCache,
    NonceBook,
    issue_invocation,
    nonces,
    parse_delegation,
    parse_invocation,
)
from foedus.identity.ucan.errors import InvalidClaim, InvalidSignature, Replayed, TooManyInvocations
from foedus.identity.ucan.nonces import INVOCATION_LIFE_MAX_S
from tests.identity.ucan.principals import ALICE, BOB, DIDS, KEYS, NOW, grant


def invocation(who=ALICE, nonce=b"n", expires=NOW + 60):
    fields = {"subject": DIDS[who], "command": "/msg", "arguments": {}, "proofs": []}
    return parse_invocation(issue_invocation(KEYS[who], **fields, nonce=nonce, expires=expires))


def test_an_invocation_serves_once():
    book = NonceBook()
    assert book.spend(invocation(), NOW) == ((DIDS[ALICE], b"n"), NOW + 60)
    with pytest.raises(Replayed):
        book.spend(invocation(), NOW)
    with pytest.raises(Replayed):  # the same nonce in another invocation
        book.spend(invocation(expires=NOW + 61), NOW)
    book.spend(invocation(nonce=b"m"), NOW)
    book.spend(invocation(who=BOB), NOW)


def test_what_was_spent_outlives_a_restart():
    book = NonceBook()
    book.spend(invocation(), NOW)
    with pytest.raises(Replayed):
        NonceBook(book.spent).spend(invocation(), NOW)


def test_what_is_given_back_serves_and_is_forgotten_once():
    book = NonceBook()
    for expires in (NOW + 60, NOW + 90):
        key, _ = book.spend(invocation(expires=expires), NOW)
        book.give_back(key)
        assert (len(book), book.spent, book.forget(NOW + 100, most=9)) == (0, {}, [])
    assert book.spend(invocation(), NOW) == (key, NOW + 60)
    assert book.forget(NOW + 61, most=9) == [key]


def test_nonces_are_kept_until_the_invocation_could_not_serve_anyway():
    book = NonceBook()
    keys = [book.spend(invocation(nonce=bytes([number]), expires=NOW + number), NOW)[0] for number in (3, 1, 2)]
    assert book.forget(NOW + 1, most=9) == []
    assert book.forget(NOW + 3, most=1) == [keys[1]]
    assert book.forget(NOW + 3, most=9) == [keys[2]]
    assert book.forget(NOW + 4, most=9) == [keys[0]]
    assert book.spent == {}


@pytest.mark.parametrize("expires", [None, NOW + INVOCATION_LIFE_MAX_S + 1])
def test_what_serves_once_expires_soon(expires):
    with pytest.raises(InvalidClaim):
        NonceBook().spend(invocation(expires=expires), NOW)


def test_no_issuer_takes_all_places(monkeypatch):
    monkeypatch.setattr(nonces, "INVOCATION_NONCES_PER_ISSUER_MAX", 2)
    monkeypatch.setattr(nonces, "INVOCATION_NONCES_MAX", 3)
    book = NonceBook()
    for nonce in (b"1", b"2"):
        book.spend(invocation(nonce=nonce), NOW)
    with pytest.raises(TooManyInvocations):
        book.spend(invocation(nonce=b"3"), NOW)
    book.spend(invocation(who=BOB, nonce=b"1"), NOW)
    with pytest.raises(TooManyInvocations):
        book.spend(invocation(who=BOB, nonce=b"2"), NOW)
    book.forget(NOW + 61, most=9)
    book.spend(invocation(nonce=b"3", expires=NOW + 99), NOW + 61)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 9), st.integers(0, 12))))
def test_nothing_that_could_still_serve_serves_twice(tries):
    book, served, now = NonceBook(), [], 0
    for who, number, life, step in tries:
        now += step
        book.forget(NOW + now, most=99)
        book = NonceBook(book.spent)
        wanted = invocation(who, bytes([number]), NOW + now + life)
        try:
            served.append(book.spend(wanted, NOW + now))
        except Replayed:
            assert any(key == (wanted.issuer, wanted.nonce) and until >= NOW + now for key, until in served)
            continue
        assert not any(key == served[-1][0] and until >= NOW + now for key, until in served[:-1])


def test_a_delegation_is_checked_once():
    cache = DelegationCache()
    data = grant(ALICE, BOB)
    first = cache.parse(data)
    assert cache.parse(data) is first
    assert cache.get(first.cid) is first
    assert cache.get(b"another") is None


def test_what_is_not_signed_is_not_kept():
    cache = DelegationCache()
    data = bytearray(grant(ALICE, BOB))
    data[10] ^= 1
    for _ in range(2):
        with pytest.raises(InvalidSignature):
            cache.parse(bytes(data))
    assert len(cache) == 0


def test_the_one_unused_for_longest_makes_room():
    cache = DelegationCache(size=2)
    one, two, three = (parse_delegation(grant(ALICE, BOB)) for _ in range(3))
    cache.put(one)
    cache.put(two)
    cache.get(one.cid)
    cache.put(three)
    assert [cache.get(held.cid) for held in (one, two, three)] == [one, None, three]
    cache.put(one)
    cache.put(two)
    assert [cache.get(held.cid) for held in (one, two, three)] == [one, two, None]
    assert len(cache) == 2
