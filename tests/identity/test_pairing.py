"""The book of codes, by an explicit clock, and the proofs of a device."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.errors import UsageError
from foedus.base.limits import MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.pairing import (
    ALPHABET,
    CODE_LIFE,
    OPEN_CODES_MAX,
    TRIES_MAX,
    WRONG_TRIES_KEPT,
    WRONG_TRIES_MAX,
    WRONG_TRIES_PER_NETWORK,
    BadCode,
    CodeBook,
    Invitation,
    TooManyCodes,
    TooManyTries,
    fingerprint,
    plain,
)
from foedus.identity.request_proof import ProvedRequest, is_timely, make_proof, proof_holds, read_proof

NOW = 1_800_000_000_000_000
NEW = Invitation()
HERE = "loopback"


def opened(book, number=0, invitation=NEW, now=NOW):
    return book.open(number.to_bytes(4, "big"), invitation, now)[0]


def wrong_for(code):
    return code[:3] + ("3" if code[3] == "2" else "2") + code[4:]


@given(st.binary(min_size=4, max_size=4))
def test_a_code_has_two_letters_then_four_of_an_alphabet_that_nobody_confuses(entropy):
    code, expires = CodeBook().open(entropy, NEW, NOW)
    assert len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("01IO")
    assert code[2] == "-"
    assert set(code) <= set(ALPHABET) | {"-"}
    assert plain(f" {code.lower()} ") == plain(code) == code.replace("-", "")
    assert expires == NOW + CODE_LIFE


def test_every_letter_is_as_likely():
    codes = {plain(opened(CodeBook(), number << 25)) for number in range(32)}
    assert {code[-1] for code in codes} == set(ALPHABET)


@pytest.mark.parametrize("typed", ["", "AB-CDE", "AB-CDEFG", "0B-CDEF", "AB-CDE1", "ÄB-CDEF"])
def test_what_cannot_be_a_code_is_no_try(typed):
    book = CodeBook()
    for _ in range(WRONG_TRIES_MAX + 1):
        with pytest.raises(UsageError) as refused:
            book.check(typed, HERE, NOW)
        assert refused.value.code == "malformed_code"
    assert book.check(opened(book), HERE, NOW) == NEW


def test_a_code_serves_once_and_for_ten_minutes():
    book = CodeBook()
    code = opened(book)
    assert book.check(code, HERE, NOW + CODE_LIFE - 1) == NEW
    book.use(code)
    with pytest.raises(BadCode):
        book.check(code, HERE, NOW)
    late = opened(book)
    with pytest.raises(BadCode):
        book.check(late, HERE, NOW + CODE_LIFE)


def test_the_fifth_wrong_try_voids_a_code():
    book = CodeBook()
    code, spare = opened(book, 0), opened(book, 1)
    for _ in range(TRIES_MAX - 1):
        with pytest.raises(BadCode):
            book.check(wrong_for(code), HERE, NOW)
    assert book.check(code, HERE, NOW) == NEW
    with pytest.raises(BadCode):
        book.check(wrong_for(code), HERE, NOW)
    with pytest.raises(BadCode):
        book.check(code, HERE, NOW)
    assert book.check(spare, HERE, NOW) == NEW


def test_wrong_tries_are_limited_over_all_codes_and_networks():
    book = CodeBook()
    for turn in range(WRONG_TRIES_MAX):
        with pytest.raises(BadCode):
            book.check("ZZ-ZZZZ", f"net {turn // WRONG_TRIES_PER_NETWORK}", NOW + turn)
    code = opened(book, now=NOW + SECOND)
    with pytest.raises(TooManyTries):
        book.check(code, "another net", NOW + SECOND)
    assert book.check(code, "another net", NOW + WRONG_TRIES_KEPT) == NEW


def test_one_network_alone_does_not_keep_the_others_from_pairing():
    book = CodeBook()
    code = opened(book, 5)
    for _ in range(WRONG_TRIES_PER_NETWORK):
        with pytest.raises(BadCode):
            book.check("ZZ-ZZZZ", "stranger", NOW)
    with pytest.raises(TooManyTries):
        book.check(code, "stranger", NOW)
    assert book.check(code, HERE, NOW) == NEW


def test_open_codes_are_bounded_and_a_participant_has_one():
    book = CodeBook()
    former = opened(book, 0, Invitation(did="did:key:ada"))
    code = opened(book, 1, Invitation(did="did:key:ada"))
    with pytest.raises(BadCode):
        book.check(former, HERE, NOW)
    assert book.check(code, HERE, NOW).did == "did:key:ada"
    for number in range(2, OPEN_CODES_MAX + 1):
        opened(book, number)
    with pytest.raises(TooManyCodes):
        opened(book, OPEN_CODES_MAX + 1)
    assert opened(book, OPEN_CODES_MAX + 1, now=NOW + CODE_LIFE)


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 20 * MINUTE)), max_size=80))
def test_no_sequence_of_wrong_tries_finds_more_than_the_limits_say(tries):
    """Whatever is guessed and when: per ten minutes at most WRONG_TRIES_MAX codes are looked at."""
    book, looked, now = CodeBook(), [], NOW
    for number, pause in tries:
        now += pause
        with suppress(TooManyCodes):
            opened(book, number, now=now)
        try:
            book.check("ZZ-ZZZZ", str(number), now)
        except BadCode:
            looked.append(now)
        except TooManyTries:
            pass
        assert sum(1 for at in looked if at > now - WRONG_TRIES_KEPT) <= WRONG_TRIES_MAX


def test_a_fingerprint_is_eighty_bits_in_groups_of_four():
    assert fingerprint(bytes(32)).split(" ") == [part for part in fingerprint(bytes(32)).split(" ") if len(part) == 4]
    assert len(fingerprint(bytes(32)).replace(" ", "")) * 4 == 80
    assert fingerprint(bytes(32)) != fingerprint(b"\x01" * 32)


# --- proofs of requests ---------------------------------------------------------------------------

KEY = Ed25519Key(bytes(32))
ASKED = ProvedRequest(method="GET", target="/api/v1/rooms?x=1", body=b"", node=b"n" * 32, token="secret")


def test_a_proof_holds_for_its_request_and_device_alone():
    proof = read_proof(make_proof(KEY, ASKED, NOW, bytes(16)))
    assert (proof.at, proof.nonce) == (NOW, bytes(16))
    assert proof_holds(proof, KEY.public, ASKED)
    assert not proof_holds(proof, Ed25519Key(b"\x01" * 32).public, ASKED)
    changes = [("method", "POST"), ("target", "/"), ("body", b"x"), ("node", b"m" * 32), ("token", "other")]
    for name, value in changes:
        parts = {field: getattr(ASKED, field) for field in ASKED.__struct_fields__} | {name: value}
        assert not proof_holds(proof, KEY.public, ProvedRequest(**parts)), name


@given(st.text(max_size=200))
def test_any_header_is_read_without_a_crash(value):
    assert read_proof(value) is None


def test_a_proof_has_one_spelling():
    value = make_proof(KEY, ASKED, NOW, b"\xff" * 16)
    at, nonce, signature = value.split(".")
    assert nonce[-1] == "w"
    assert read_proof(f"{at}.{nonce[:-1]}x.{signature}") is None


def test_a_proof_is_of_this_minute():
    proof = read_proof(make_proof(KEY, ASKED, NOW, bytes(16)))
    assert is_timely(proof, NOW + MINUTE)
    assert is_timely(proof, NOW - MINUTE)
    assert not is_timely(proof, NOW + MINUTE + 1)
    assert not is_timely(proof, NOW - MINUTE - 1)
