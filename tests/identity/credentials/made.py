"""Credentials made for tests: three issuers, a holder, one moment."""

from foedus.base.limits import DAY, HOUR
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials.credential import StatusEntry
from foedus.identity.credentials.issuing import Claim, Question, issue, issue_status_list, present
from foedus.identity.credentials.register import Belief, IssuerRegister
from foedus.identity.credentials.status_list import empty_list, with_bit
from foedus.identity.credentials.verifying import Judge
from foedus.identity.did import did_of

NOW = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
GUILD, BANK, STRANGER, ADA, EVE = (Ed25519Key(bytes([n]) * 32) for n in range(1, 6))
LIST = "https://guild.example/api/credentials/status/" + "ab" * 16
QUESTION = Question("c2F5IGl0IGFnYWlu", "did:key:verifier")


def did(key):
    return did_of(key.public)


def a_credential(key=GUILD, kind="Engineer", subject=ADA, **changes):
    claim = {
        "id": "urn:uuid:1",
        "type": kind,
        "subject": did(subject),
        "claims": {"since": 2019},
        "valid_from": NOW - DAY,
        "valid_until": NOW + DAY,
        "status": None,
    }
    return issue(Claim(**{**claim, **changes}), key)


def listed(place, **changes):
    return a_credential(status=StatusEntry(LIST, place), **changes)


def a_list(*revoked, key=GUILD, at=NOW - HOUR, url=LIST):
    bits = empty_list()
    for place in revoked:
        bits = with_bit(bits, place)
    return issue_status_list(url, bits, at, key)


def a_judge(*beliefs, now=NOW, **changes):
    believed = beliefs or ((GUILD, "Engineer"), (BANK, "Customer"))
    return Judge(now=now, register=IssuerRegister(Belief(did(key), kind) for key, kind in believed), **changes)


def shown(*credentials, key=ADA, question=QUESTION, at=NOW):
    return present(credentials, question, at, key)
