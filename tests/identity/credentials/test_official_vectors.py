"""W3C's vectors of eddsa-jcs-2022 (vc-di-eddsa, TestVectors/eddsa-jcs-2022), byte for byte."""

import base58
import pytest

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials.document import CREDENTIAL_BYTES_MAX, canonical, read_document
from foedus.identity.credentials.errors import BadDocument
from foedus.identity.credentials.proof import add_proof, check_proof, method_of, signing_bytes
from foedus.identity.credentials.verifying import check_credential
from foedus.identity.did import did_of
from tests.vectors import load_vectors, vectors_folder

FOLDER = "vc-eddsa-jcs-2022"
ED25519_PRIVATE = b"\x80\x26"  # multicodec ed25519-priv, as a varint


def published(name):
    load_vectors(f"{FOLDER}/keyPair.json")  # skips where the folder is absent
    return (vectors_folder() / FOLDER / name).read_text().strip()


def document(name):
    return read_document(published(name), CREDENTIAL_BYTES_MAX)


@pytest.fixture
def key():
    data = base58.b58decode(load_vectors(f"{FOLDER}/keyPair.json")["privateKeyMultibase"][1:])
    assert data.startswith(ED25519_PRIVATE)
    return Ed25519Key(data[len(ED25519_PRIVATE) :])


def test_the_key_is_the_published_did(key):
    public = load_vectors(f"{FOLDER}/keyPair.json")["publicKeyMultibase"]
    assert did_of(key.public) == f"did:key:{public}"
    assert document("proofConfigJCS.json")["verificationMethod"] == method_of(did_of(key.public))


def test_canonical_documents_and_hashes():
    unsigned, options = document("unsigned.json"), document("proofConfigJCS.json")
    assert canonical(unsigned).decode() == published("canonDocJCS.txt")
    assert canonical(options).decode() == published("proofCanonJCS.txt")
    assert sha256(canonical(unsigned)).hex() == published("docHashJCS.txt")
    assert sha256(canonical(options)).hex() == published("proofHashJCS.txt")
    assert signing_bytes(options, unsigned).hex() == published("combinedHashJCS.txt")


def test_the_signature_and_the_signed_document(key):
    options = {name: value for name, value in document("proofConfigJCS.json").items() if name != "@context"}
    signed = add_proof(document("unsigned.json"), options, key)
    assert signed["proof"]["proofValue"] == published("sigBTC58JCS.txt")
    assert base58.b58decode(signed["proof"]["proofValue"][1:]).hex() == published("sigHexJCS.txt")
    assert signed == document("signedJCS.json")


def test_the_published_document_verifies_and_no_other(key):
    signed = document("signedJCS.json")
    proven = check_proof(signed, "assertionMethod")
    assert proven.did == did_of(key.public)
    assert proven.document == document("unsigned.json")


def test_its_foreign_context_is_not_read_as_a_credential():
    with pytest.raises(BadDocument) as refused:
        check_credential(document("signedJCS.json"))
    assert refused.value.code == "unknown_context"
