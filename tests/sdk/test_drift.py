"""The clients do what the API does: a method for each operation, its shapes, its parameters, and nothing else."""

import importlib
import inspect
import pkgutil
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

import foedus
from foedus.base.errors import PeerViolation, Unavailable, UsageError
from foedus.sdk import Change, Client, Publish
from foedus.sdk.errors import VIOLATIONS
from foedus.sdk.forms import Form
from foedus.sdk.operation import Group, Operation
from foedus.surfaces.http import openapi
from foedus.surfaces.http.app import OPERATIONS
from foedus.values.agreements import HumanWord
from foedus.values.node import SignedAct

FOLLOWED = ("text/event-stream",)
"""What operations answer that are streams alone: a ``follow`` of the SDK has no request of its own to compare."""
SERVED = {(it.method, it.address): it for it in OPERATIONS if it.media_types != FOLLOWED}
DOCUMENT = msgspec.to_builtins(openapi.document(OPERATIONS))
ID = "ab" * 32
ACT = SignedAct(act="aa", asig="bb", salt="cc", body="dd")
SAMPLES = {
    "act": ACT,
    "peers": [ID],
    "value": b"v",
    "updates": [b"u"],
    "proof": b"p",
    "if_value": [b"w"],
    "after": 3,
    "sequence": 3,
    "position": 1,
    "held": True,
    "seal": True,
    "seals_only": True,
    "release": True,
    "acts": [ACT],
    "grant": ID,
    "human": HumanWord(did=ID, device=ID, signature="aa"),
    "days": 3,
    "limit": 7,
    "role": 400,
    "to": 2,
    "wait_s": 1,
    "additions": True,
    "architect": True,
    "newest": True,
    "valid_until": 5,
    "tier": "SANDBOX",
    "kind": "agent",
    "how": "author",
    "form": Publish(domain="d", title="t"),
    "forms": [Publish(domain="d", title="t")],
    "credentials": [ID],
    "status_lists": ["{}"],
    "message": {"text": "t", "as": "a"},
    "messages": [{"text": "t", "as": "a"}, ACT],
    "terms": {"retention_days": 3},
    "step": {"step": "claim", "code": "c", "device": ID, "name": "n"},
    "operations": Change(type="counter", by=1),
    "capability": {"name": "c"},
    "calling": {"name": "c", "offer": ID},
    "call": "x",
    "result": {"output": 1},
    "data": 1,
    "wait_ms": 3,
    "question": {"kind": "text", "text": "t"},
}
WHOLE = {
    "ActInput",
    "MessageInput",
    "CrdtInput",
    "QuestionInput",
    "EraseInput",
    "CallInput",
    "CapabilityInput",
    "WorkResultInput",
    "Terms",
    "ClaimInput",
    "ProveInput",
}
"""Bodies that the caller of the method makes, or one of two forms: not all of their fields go together."""

CONSTANT = {"ParticipantInput": {"custodial", "kind"}}
"""Fields that have one value, which is the default."""


def methods():
    client = Client("http://127.0.0.1:1", "")
    for group in vars(client).values():
        if isinstance(group, Group):
            for name, method in vars(type(group)).items():
                if isinstance(method, Operation):
                    yield pytest.param(group, method, id=f"{type(group).__name__}.{name}")


METHODS = list(methods())


def served(method):
    return SERVED[method.method, method.path]


def sent(group, method):
    """Return the request of a call that gives every argument."""
    names = [name for name in inspect.signature(method.make).parameters if name not in {"self", "timeout_s"}]
    given = {name: SAMPLES.get(name, "x") for name in names}
    if method.path.endswith("/allow"):
        given["grant"] = ACT
    return method.request(method.make(group, **given))


@pytest.mark.parametrize("method", [pytest.param(it.values[1], id=it.id) for it in METHODS])
def test_each_method_returns_what_its_operation_answers(method):
    assert method.answer == (served(method).answer or type(None))


@pytest.mark.parametrize(("group", "method"), METHODS)
def test_each_method_gives_every_parameter_of_its_operation(group, method):
    request, operation = sent(group, method), served(method)
    given = set(parse_qs(urlsplit(request.target).query))
    assert given == {parameter.name for parameter in operation.query}
    if operation.body is None:
        assert request.body is None
    elif request.body is not None:
        data = msgspec.json.encode(request.body)
        msgspec.json.decode(data, type=operation.body)
        shape = DOCUMENT["components"]["schemas"].get(getattr(operation.body, "__name__", ""))
        if shape and operation.body.__name__ not in WHOLE:
            assert set(msgspec.json.decode(data)) == set(shape["properties"]) - CONSTANT.get(
                operation.body.__name__, set()
            )
    else:
        assert operation.body_optional


def test_the_forms_of_knowledge_are_those_of_the_api():
    _, ours = msgspec.json.schema_components([Form], ref_template="{name}")
    for name, shape in ours.items():
        theirs = DOCUMENT["components"]["schemas"][f"{name}Form" if name != "DataView" else "DataForm"]
        assert set(shape["properties"]) == set(theirs["properties"]), name
        assert set(shape.get("required", ())) == set(theirs.get("required", ())), name
        for field, value in shape["properties"].items():
            assert value.get("default") == theirs["properties"][field].get("default"), (name, field)
    assert len(ours) == 9


def test_a_change_has_the_fields_of_the_api():
    (ours,), shapes = msgspec.json.schema_components([Change], ref_template="{name}")
    theirs = DOCUMENT["components"]["schemas"]["CrdtInput"]
    assert set(shapes["Change"]["properties"]) == set(theirs["properties"]) - {"act", "asig", "salt", "body"}
    assert ours


def families(family):
    for each in family.__subclasses__():
        yield each
        yield from families(each)


def test_the_codes_of_violations_are_those_of_the_code():
    for module in pkgutil.walk_packages(foedus.__path__, "foedus."):
        importlib.import_module(module.name)
    codes = {PeerViolation.code} | {
        each.code
        for each in families(PeerViolation)
        if not each.__module__.startswith(("foedus.sdk", "foedus.surfaces"))
    }
    others = {each.code for family in (UsageError, Unavailable) for each in families(family)}
    assert codes - others == VIOLATIONS
