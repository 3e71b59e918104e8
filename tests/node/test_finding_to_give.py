"""Whom a person means who gives something: never a stranger who took a name."""

import pytest

from foedus.base.errors import FoedusError, NotFound
from foedus.node.lookup import Known, find_to_give

ACME, OTHER, THIRD = bytes([0xAC]) * 32, bytes([0x07]) * 32, bytes([0xAC]) * 31 + b"\x01"


def acme(claims="acme", known_as="", *, is_connected=True):
    return Known(ACME, known_as, claims, is_connected)


def stranger(claims, node=OTHER):
    return Known(node, "", claims, is_connected=False)


def refused(wanted, *book):
    with pytest.raises(FoedusError) as raised:
        find_to_give(wanted, book)
    assert raised.value.remedy
    return raised.value.code


@pytest.mark.parametrize("wanted", [ACME.hex(), ACME.hex()[:8], "acme"])
def test_an_id_its_beginning_or_a_name_of_one_peer_alone_names_it(wanted):
    assert find_to_give(wanted, [acme(), stranger("zebra")]) == ACME


@pytest.mark.parametrize("claims", ["acme", "\u0430cme", "acrne"])
def test_a_stranger_who_takes_a_name_or_one_that_looks_like_it_makes_it_name_nobody(claims):
    assert refused("acme", acme(), stranger(claims)) == "ambiguous"
    assert find_to_give(ACME.hex(), [acme(), stranger(claims)]) == ACME
    assert find_to_give("the bank", [acme(known_as="the bank"), stranger("the bank")]) == ACME


def test_who_waits_is_given_nothing_by_any_name():
    assert refused("acme", stranger("acme")) == "not_connected"
    assert refused(ACME.hex(), acme(is_connected=False)) == "not_connected"
    assert refused("acme", acme(known_as="acme", is_connected=False), stranger("zebra")) == "not_connected"


def test_a_stranger_who_calls_itself_as_an_id_begins_is_not_taken_for_it():
    assert refused(ACME.hex()[:8], acme(), stranger(ACME.hex()[:8])) == "ambiguous"
    assert refused(ACME.hex()[:8], acme(), stranger("x", THIRD)) == "ambiguous"


def test_a_name_is_not_guessed():
    with pytest.raises(NotFound):
        find_to_give("acne", [acme()])
