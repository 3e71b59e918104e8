"""Grants made and taken back on this device: a person's key signs the UCAN, and the act that carries it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from foedus.base.errors import UsageError
from foedus.base.limits import DAY, HOUR, MINUTE, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import covers, issue_delegation, issue_revocation
from foedus.log.streams import participant
from foedus.surfaces.cli.signing import Draft
from foedus.trust.border import COMMANDS

NONCE_BYTES = 16
LASTS_MAX = 366 * DAY
"""A standing grant ends at the latest after a year: who gave it is to think of it again."""
_DURATION = re.compile(r"(\d{1,4})(min|h|d)")
_UNITS = {"min": MINUTE, "h": HOUR, "d": DAY}


class Scope(NamedTuple):
    """What a grant allows: ids as lowercase hex, ``lasts`` in microseconds, ``uses`` per hour (0: without limit)."""

    command: str
    rooms: Sequence[str] = ()
    hosts: Sequence[str] = ()
    digest: str = ""
    lasts: int = 30 * DAY
    uses: int = 0
    after_foreign: bool = False
    domains: Sequence[str] = ()
    capabilities: Sequence[str] = ()
    councils: Sequence[str] = ()


def command_meant(text: str) -> str:
    """Return the command that a person means, as `/foedus/room/speak` or `room/speak`; raise UsageError.

    It must cover a command of version 1: what is misspelt would be a grant of nothing.
    """
    command = text if text.startswith("/") else f"/foedus/{text}"
    if not any(covers(command, known) for known in COMMANDS):
        raise UsageError(
            f"{text[:80]!r} lets nobody do anything", code="unknown_command", remedy=f"say one of {', '.join(COMMANDS)}"
        )
    return command


def duration(text: str) -> int:
    """Return the microseconds of `30d`, `12h` or `10min`; raise UsageError."""
    found = _DURATION.fullmatch(text)
    lasts = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < lasts <= LASTS_MAX:
        raise UsageError(
            f"{text[:20]!r} is no time that a grant can last", code="bad_duration", remedy="say 12h or 30d"
        )
    return lasts


def policy(scope: Scope) -> list[Any]:
    """Return the policy of a grant, in the policy language of UCAN."""
    limits = {".room": scope.rooms, ".domain": scope.domains, ".capability": scope.capabilities}
    limits |= {".council": scope.councils, ".host": scope.hosts, ".digest": [scope.digest]}
    one_of = [_one_of(selector, values) for selector, values in limits.items()]
    return [statement for statement in one_of if statement]


def _one_of(selector: str, values: Sequence[str]) -> list[Any]:
    tests = [["==", selector, value] for value in values if value]
    return ["or", tests] if len(tests) > 1 else tests[0] if tests else []


def grant(key: Ed25519Key, audience: str, scope: Scope, now: int, nonce: bytes) -> bytes:
    """Return the delegation by the device ``key`` to the device ``audience`` (did:key)."""
    meta: dict[str, Any] = {"uses_per_hour": scope.uses} if scope.uses else {}
    if scope.after_foreign:
        meta["after_foreign"] = True
    own = did_of(key.public)
    return issue_delegation(
        key,
        audience=audience,
        subject=own,
        command=scope.command,
        policy=policy(scope),
        nonce=nonce,
        expires=(now + scope.lasts) // SECOND,
        meta=meta or None,
    )


def grant_draft(did: str, enrolment: bytes, ucan: bytes) -> Draft:
    """Return the act that puts a delegation into the issuer's stream."""
    return Draft(did, participant(did), "grant.create", {"ucan": ucan}, auth=(enrolment,))


def revocation_draft(key: Ed25519Key, did: str, enrolment: bytes, cid: bytes, cuts: Sequence[Any]) -> Draft:
    """Return the act that takes a delegation back; ``cuts`` as (chain id, seq, event id)."""
    ucan = issue_revocation(key, revoked=cid, nonce=b"")
    body = {"ucan": ucan, "cuts": [list(cut) for cut in cuts]}
    return Draft(did, participant(did), "grant.revoke", body, auth=(enrolment,))
