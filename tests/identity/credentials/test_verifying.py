"""A credential proves what it says only if every part of the proof holds; each failing part has its own code."""

import copy
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import DAY, HOUR, MINUTE
from foedus.identity.credentials.credential import CONTEXT, StatusEntry
from foedus.identity.credentials.document import CREDENTIAL_BYTES_MAX, canonical, read_document, to_text
from foedus.identity.credentials.errors import CredentialRefused
from foedus.identity.credentials.issuing import BadClaim, Question
from foedus.identity.credentials.proof import ProofOptions, sign_document
from foedus.identity.credentials.verifying import CREDENTIALS_MAX, verify_credential, verify_presentation
from tests.identity.credentials.made import (
    ADA,
    BANK,
    EVE,
    GUILD,
    LIST,
    NOW,
    QUESTION,
    STRANGER,
    a_credential,
    a_judge,
    a_list,
    did,
    listed,
    shown,
)


def code_of(secured, judge=None):
    with pytest.raises(CredentialRefused) as refused:
        verify_credential(secured, judge or a_judge())
    return refused.value.code


def presentation_code(secured, judge=None, question=QUESTION):
    with pytest.raises(CredentialRefused) as refused:
        verify_presentation(secured, question, judge or a_judge())
    return refused.value.code


def changed(secured, *path_and_value):
    *path, last, value = path_and_value
    copied = copy.deepcopy(secured)
    inner = copied
    for name in path:
        inner = inner[name]
    inner[last] = value
    return copied


def test_a_credential_of_a_believed_issuer_is_believed():
    read = verify_credential(read_document(to_text(a_credential()), CREDENTIAL_BYTES_MAX), a_judge())
    assert (read.issuer, read.subject, read.types) == (did(GUILD), did(ADA), ("Engineer",))
    assert read.claims == {"since": 2019}


# --- the five refusals of the issue: each alone, each with its own code ----------------------------


def test_one_forged_in_the_name_of_a_believed_issuer():
    assert code_of(changed(a_credential(), "credentialSubject", "since", 1999)) == "bad_proof"
    assert code_of(changed(a_credential(key=EVE), "issuer", did(GUILD))) == "bad_proof"


def test_a_valid_one_of_an_issuer_whom_nobody_here_believes():
    assert code_of(a_credential(key=STRANGER)) == "issuer_not_believed"


def test_a_revoked_one():
    lists = {LIST: a_list(7)}
    assert code_of(listed(7), a_judge(status_lists=lists)) == "credential_revoked"
    assert verify_credential(listed(8), a_judge(status_lists=lists)).status == StatusEntry(LIST, 8)


def test_an_expired_one():
    assert code_of(a_credential(), a_judge(now=NOW + 2 * DAY)) == "credential_expired"


def test_one_that_somebody_else_shows():
    assert presentation_code(shown(a_credential(), key=EVE)) == "not_the_holder"


# --- issuers ---------------------------------------------------------------------------------------


def test_belief_is_per_kind_of_claim():
    assert code_of(a_credential(key=BANK)) == "issuer_not_believed"
    assert verify_credential(a_credential(key=BANK, kind="Customer"), a_judge()).issuer == did(BANK)


def test_every_type_of_a_credential_must_be_believed():
    both = {name: value for name, value in a_credential().items() if name != "proof"}
    both["type"] = ["VerifiableCredential", "Engineer", "Customer"]
    signed = sign_document(both, ProofOptions(purpose="assertionMethod", created=NOW), GUILD)
    assert code_of(signed) == "issuer_not_believed"
    assert verify_credential(signed, a_judge((GUILD, "Engineer"), (GUILD, "Customer"))).types == (
        "Engineer",
        "Customer",
    )


def test_a_type_alone_claims_nothing_that_is_believed():
    bare = {name: value for name, value in a_credential().items() if name != "proof"}
    bare["type"] = ["VerifiableCredential"]
    assert (
        code_of(sign_document(bare, ProofOptions(purpose="assertionMethod", created=NOW), GUILD))
        == "issuer_not_believed"
    )


def test_a_later_key_of_a_believed_issuer_is_believed():
    def speaks_for(key_did, named):
        return key_did == named or (key_did, named) == (did(STRANGER), did(GUILD))

    assert verify_credential(a_credential(key=STRANGER), a_judge(speaks_for=speaks_for)).issuer == did(STRANGER)


def test_who_signs_in_anothers_name_is_named():
    body = {name: value for name, value in a_credential().items() if name != "proof"}
    signed = sign_document(body, ProofOptions(purpose="assertionMethod", created=NOW), EVE)
    assert code_of(signed) == "wrong_issuer_key"


# --- proofs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("proof",), [a_credential()["proof"]] * 2, "several_proofs"),
        (("proof",), [], "several_proofs"),
        (("proof",), None, "no_proof"),
        (("proof", "previousProof"), "urn:1", "several_proofs"),
        (("proof", "proofPurpose"), "authentication", "wrong_purpose"),
        (("proof", "cryptosuite"), "eddsa-rdfc-2022", "unknown_proof"),
        (("proof", "type"), "Ed25519Signature2020", "unknown_proof"),
        (("proof", "verificationMethod"), did(GUILD), "unknown_method"),
        (("proof", "verificationMethod"), f"{did(GUILD)}#{did(EVE)[8:]}", "unknown_method"),
        (("proof", "verificationMethod"), "did:web:guild.example#key", "unknown_method"),
        (("proof", "verificationMethod"), {"id": did(GUILD)}, "unknown_method"),
        (("proof", "proofValue"), "z" + "1" * 64, "bad_proof"),
        (("proof", "proofValue"), "z" * 5_000, "bad_proof"),
        (("proof", "proofValue"), "u" + "A" * 86, "bad_proof"),
        (("proof", "proofValue"), "z0OIl", "bad_proof"),
        (("proof", "created"), "2026-01-01T00:00:00", "bad_proof"),
        (("proof", "expires"), "2030-01-01T00:00:00Z", "bad_proof"),
        (("proof", "@context"), [CONTEXT, "https://other.example"], "bad_proof"),
        (("@context",), ["https://www.w3.org/2018/credentials/v1"], "unknown_context"),
        (("@context",), [CONTEXT, {"since": "https://evil.example/until"}], "unknown_context"),
        (("@context",), CONTEXT, "unknown_context"),
        (("@context",), [CONTEXT], "bad_proof"),
        (("type",), "Engineer", "bad_proof"),
        (("issuer",), "https://guild.example", "bad_proof"),
        (("credentialSubject",), [], "bad_proof"),
    ],
)
def test_a_proof_of_another_shape_proves_nothing(path, value, code):
    assert code_of(changed(a_credential(), *path, value)) == code


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("type", "Engineer", "bad_document"),
        ("type", ["VerifiableCredential", *(f"T{n}" for n in range(9))], "bad_document"),
        ("issuer", "https://guild.example", "bad_did"),
        ("credentialSubject", [{"id": did(ADA)}], "bad_document"),
        ("validUntil", "tomorrow", "bad_time"),
        ("credentialStatus", [{}, {}], "unknown_status"),
        ("credentialStatus", {"type": "StatusList2021Entry"}, "unknown_status"),
        (
            "credentialStatus",
            {
                "type": "BitstringStatusListEntry",
                "statusPurpose": "suspension",
                "statusListIndex": "1",
                "statusListCredential": LIST,
            },
            "unknown_status",
        ),
        ("id", 7, "bad_document"),
    ],
)
def test_a_signed_credential_of_another_shape_is_refused(name, value, code):
    body = {key: item for key, item in a_credential().items() if key != "proof"} | {name: value}
    assert code_of(sign_document(body, ProofOptions(purpose="assertionMethod", created=NOW), GUILD)) == code


def test_a_context_added_after_signing_is_refused():
    assert (
        code_of(changed(a_credential(), "@context", [*a_credential()["@context"], "https://evil.example"]))
        == "unknown_context"
    )


# --- time ------------------------------------------------------------------------------------------


def test_another_clock_may_be_a_minute_ahead():
    early = a_credential(valid_from=NOW + MINUTE)
    assert verify_credential(early, a_judge()).valid_from == NOW + MINUTE
    assert code_of(early, a_judge(now=NOW - 1)) == "credential_not_yet_valid"


def test_the_end_is_exclusive_and_a_proof_may_expire_before():
    assert code_of(a_credential(), a_judge(now=NOW + DAY)) == "credential_expired"
    body = {name: value for name, value in a_credential().items() if name != "proof"}
    options = ProofOptions(purpose="assertionMethod", created=NOW - DAY, expires=NOW)
    assert code_of(sign_document(body, options, GUILD)) == "credential_expired"


# --- status ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lists", "code"),
    [
        ({}, "credential_status_unknown"),
        ({LIST: a_list(key=STRANGER)}, "wrong_status_issuer"),
        ({LIST: a_list(url=LIST + "0")}, "bad_status_list"),
        ({LIST: a_credential()}, "bad_status_list"),
        ({LIST: a_list(at=NOW + HOUR)}, "credential_not_yet_valid"),
        ({LIST: changed(a_list(), "credentialSubject", "encodedList", "uAAAA")}, "bad_proof"),
    ],
)
def test_where_revocation_cannot_be_told_nothing_is_believed(lists, code):
    assert code_of(listed(7), a_judge(status_lists=lists)) == code


# --- presentations ---------------------------------------------------------------------------------


def test_a_presentation_proves_what_its_holder_holds():
    proved = verify_presentation(shown(a_credential(), a_credential(key=BANK, kind="Customer")), QUESTION, a_judge())
    assert proved.holder == did(ADA)
    assert [credential.types for credential in proved.credentials] == [("Engineer",), ("Customer",)]


def test_an_answer_to_another_question_is_none():
    answer = shown(a_credential())
    assert presentation_code(answer, question=Question("other", QUESTION.domain)) == "wrong_challenge"
    assert presentation_code(answer, question=Question("", QUESTION.domain)) == "wrong_challenge"
    assert presentation_code(answer, question=Question(QUESTION.challenge, "did:key:other")) == "wrong_domain"
    assert presentation_code(answer, a_judge(now=NOW + 11 * MINUTE)) == "presentation_expired"
    assert presentation_code(answer, a_judge(now=NOW - 2 * MINUTE)) == "credential_not_yet_valid"


def test_one_bad_credential_spoils_a_presentation():
    assert presentation_code(shown(a_credential(), a_credential(key=STRANGER))) == "issuer_not_believed"


def test_a_credential_is_no_presentation_nor_the_other_way():
    assert presentation_code(a_credential()) == "bad_document"
    assert code_of(shown(a_credential())) == "wrong_purpose"


def test_a_credential_about_nobody_has_no_holder():
    body = {name: value for name, value in a_credential().items() if name != "proof"}
    body["credentialSubject"] = {"since": 2019}
    bearer = sign_document(body, ProofOptions(purpose="assertionMethod", created=NOW), GUILD)
    assert presentation_code(shown(bearer)) == "not_the_holder"


@pytest.mark.parametrize("credentials", [[], ["text"], [a_credential()] * (CREDENTIALS_MAX + 1)])
def test_a_presentation_shows_a_bounded_number_of_credentials(credentials):
    assert presentation_code(shown(*credentials)) == "bad_document"


def test_a_presentation_signed_in_anothers_name_is_refused():
    body = {name: value for name, value in shown(a_credential()).items() if name != "proof"}
    options = ProofOptions(purpose="authentication", created=NOW, challenge=QUESTION.challenge, domain=QUESTION.domain)
    assert presentation_code(sign_document(body, options, EVE)) == "not_the_holder"


# --- issuing, and the world ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"kind": "two words"}, {"kind": "BitstringStatusListCredential"}, {"claims": {"id": "x"}}, {"valid_until": 0}],
)
def test_what_all_would_refuse_is_not_issued(changes):
    with pytest.raises(BadClaim):
        a_credential(**changes)


def test_what_is_too_large_is_not_issued():
    with pytest.raises(CredentialRefused) as refused:
        a_credential(claims={"text": "x" * CREDENTIAL_BYTES_MAX})
    assert refused.value.code == "document_too_large"


def test_verifying_opens_no_socket(monkeypatch):
    def no_socket(*_args, **_options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", no_socket)
    judge = a_judge(status_lists={LIST: a_list(1)})
    assert verify_presentation(shown(listed(2)), QUESTION, judge).holder == did(ADA)


SIGNED = to_text(a_credential())


@given(st.integers(0, len(SIGNED) - 1), st.characters(min_codepoint=32, max_codepoint=126))
def test_no_changed_character_passes(place, character):
    text = SIGNED[:place] + character + SIGNED[place + 1 :]
    try:
        document = read_document(text, CREDENTIAL_BYTES_MAX)
        verify_credential(document, a_judge())
    except CredentialRefused:
        return
    assert canonical(document) == canonical(read_document(SIGNED, CREDENTIAL_BYTES_MAX))
