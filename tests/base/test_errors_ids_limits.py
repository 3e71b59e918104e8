"""Errors have a code and a remedy, ids are whole, every bound has its reason."""

import ast
import inspect
import pkgutil
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

import foedus
from foedus.base import limits
from foedus.base.errors import FoedusError, NotFound, PeerViolation, Unavailable, UsageError
from foedus.base.ids import BadId, parse_id, sha256, short


def all_errors():
    for module in pkgutil.walk_packages(foedus.__path__, "foedus."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    found, todo = set(), [FoedusError]
    while todo:
        error = todo.pop()
        found.add(error)
        todo += error.__subclasses__()
    return found


def test_every_error_belongs_to_a_family_and_says_what_to_do():
    for error in all_errors() - {FoedusError}:
        assert issubclass(error, UsageError | PeerViolation | Unavailable) or error.__name__ == "InvariantBroken"
        assert error.code == error.code.lower()
        assert " " not in error.code
        assert error.remedy
        assert 400 <= error.http_status < 600


def test_a_raise_may_say_more():
    error = NotFound("no such room", code="unknown_room", remedy="see the list")
    assert (str(error), error.code, error.remedy, error.http_status) == (
        "no such room",
        "unknown_room",
        "see the list",
        404,
    )
    assert NotFound.code == "not_found"
    assert str(NotFound()) == "not_found"


@given(st.binary(min_size=32, max_size=32))
def test_an_id_comes_back_from_its_hex(value):
    assert parse_id(value.hex()) == value
    assert value.hex().startswith(short(value))


@pytest.mark.parametrize(
    "text", ["", "ab", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " + "0" * 63, "0x" + "0" * 62, "é" * 64]
)
def test_what_is_not_an_id_is_refused(text):
    with pytest.raises(BadId):
        parse_id(text)


def test_sha256_is_over_all_parts():
    assert sha256(b"a", b"bc") == sha256(b"abc")


def test_every_bound_is_positive_and_most_have_their_reason_beside_them():
    tree = ast.parse(inspect.getsource(limits))
    names = [node.targets[0].id for node in tree.body if isinstance(node, ast.Assign)]
    reasons = [node for node in tree.body[1:] if isinstance(node, ast.Expr)]
    assert all(getattr(limits, name) > 0 for name in names)
    assert len(reasons) * 2 >= len(names)
