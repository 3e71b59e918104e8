"""The starter agreement: who may write what into it."""

from __future__ import annotations

import msgspec
import pytest

from foedus.base.cbor import Malformed, NotCanonical, decode, encode
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key, verify
from foedus.trust import agreement
from foedus.trust.agreements.commands import BORDER_COMMANDS
from foedus.trust.agreements.document import agreement_id
from tests.trust.books import did

A, B, C = (bytes([n]) * 32 for n in (1, 2, 3))
SALT = bytes(range(32))
KEY = Ed25519Key(SALT)
DRAFT = agreement.draft(B, A, [did(2)], SALT)
FINAL = agreement.complete(DRAFT, A, B, [did(1), did(7)])


def signer(seed: int) -> dict[str, str]:
    return {"did": did(seed), "assurance": "device-bound"}


def changed(document: bytes, **fields: object) -> bytes:
    return encode({**decode(document), **fields})


def test_the_bytes_are_those_of_the_protocol():
    assert decode(DRAFT) == {
        "v": 1,
        "version": 1,
        "base": None,
        "nodes": [A, B],
        "rooms": "shared",
        "directions": [["council", "knowledge", "room"]] * 2,
        "commands": [list(BORDER_COMMANDS)] * 2,
        "rates": [None, None],
        "retention": None,
        "expires": None,
        "signers": [[], [signer(2)]],
        "humans": "enrolled",
        "approvals": {},
        "salt": SALT,
    }
    assert decode(FINAL)["signers"] == [sorted([signer(1), signer(7)], key=lambda it: it["did"]), [signer(2)]]


def test_the_accepter_fills_in_its_list_and_nothing_else():
    agreement.check_completed(DRAFT, FINAL, B, A)
    for field, value in [
        ("salt", bytes(32)),
        ("signers", [[signer(1)], []]),
        ("signers", [[signer(1)], [signer(2), signer(3)]]),
        ("nodes", [A, C]),
        ("nodes", [B, A]),
        ("rooms", "all"),
        ("version", 2),
        ("humans", "named"),
        ("expires", 1),
        ("commands", [[], []]),
    ]:
        with pytest.raises(PeerViolation):
            agreement.check_completed(DRAFT, changed(FINAL, **{field: value}), B, A)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodes", [A, C]),
        ("nodes", [B, A]),
        ("nodes", [A, A]),
        ("signers", [[signer(1)], [signer(2)]]),
        ("signers", [[], [did(2)]]),
        ("signers", [[], [{"did": "did:key:z6Mkshort", "assurance": "device-bound"}]]),
        ("signers", [[], [{"did": did(2), "assurance": "oath"}]]),
        ("signers", [[], [signer(2), signer(2)]]),
        ("signers", [[], [signer(n) for n in range(65)]]),
        ("rooms", []),
        ("directions", [["room"], ["room"]]),
        ("humans", "named"),
        ("approvals", {"/foedus/query/ask": 2}),
        ("base", bytes(32)),
        ("signers", [[]]),
        ("salt", b"short"),
        ("v", 2),
        ("extra", 1),
    ],
)
def test_a_draft_that_is_not_as_it_should_be_is_refused(field, value):
    with pytest.raises(PeerViolation):
        agreement.complete(changed(DRAFT, **{field: value}), A, B, [did(1)])


@pytest.mark.parametrize("document", [b"", b"\xff", b"\xa0", DRAFT[:-1], DRAFT + b"\0", bytes(20_000)])
def test_bytes_that_are_no_agreement_are_refused(document):
    with pytest.raises((Malformed, NotCanonical)):
        agreement.parse(document, A, B)


def test_our_own_list_is_bounded_as_theirs():
    agreement.draft(A, B, [did(n) for n in range(64)], SALT)
    with pytest.raises(Malformed):
        agreement.draft(A, B, [did(n) for n in range(65)], SALT)
    with pytest.raises(Malformed):
        agreement.complete(DRAFT, A, B, ["somebody"])


def test_a_node_agrees_with_another_not_with_itself():
    with pytest.raises(agreement.AgreementRefused):
        agreement.draft(A, A, [], SALT)


def test_a_signature_is_over_the_label_and_the_bytes():
    signature = agreement.sign(KEY, FINAL)
    assert verify(KEY.public, b"foedus/agreement/1\0" + FINAL, signature)
    agreement.verify(FINAL, KEY.public, signature)
    for document, public, sig in [
        (DRAFT, KEY.public, signature),
        (FINAL, bytes(32), signature),
        (FINAL, KEY.public, signature[:-1]),
    ]:
        with pytest.raises(agreement.BadAgreementSignature):
            agreement.verify(document, public, sig)


def test_an_answer_is_told_from_the_answer_to_a_former_draft():
    assert agreement.answers(DRAFT, FINAL, B, A)
    assert not agreement.answers(agreement.draft(B, A, [did(2)], bytes(32)), FINAL, B, A)


def test_signatures_stand_in_the_order_of_the_nodes():
    assert agreement.in_order(A, B, b"a", b"b") == agreement.in_order(B, A, b"b", b"a") == (b"a", b"b")


def test_an_agreement_is_named_by_its_hash():
    assert agreement_id(FINAL) == sha256(FINAL)


def test_the_signers_of_each_side_are_found():
    document = agreement.parse(FINAL, A, B)
    assert (document.dids_of(A), document.dids_of(B)) == ({did(1), did(7)}, {did(2)})
    assert msgspec.structs.asdict(document)["rooms"] == "shared"
