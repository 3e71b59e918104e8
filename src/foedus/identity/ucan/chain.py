"""The check of a chain: whether authority flows from the subject, link by link, to the one who claims it.

Pure and offline: what it needs is in the proofs, and time and revocations are arguments. The same
check serves UCAN invocations and the acts of foedus, which are invocations in another coat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from foedus.identity.ucan.command import TOP, covers
from foedus.identity.ucan.delegation import Delegation
from foedus.identity.ucan.errors import (
    Expired,
    InvalidAudience,
    InvalidClaim,
    InvalidCommand,
    InvalidSubject,
    MatchError,
    Revoked,
    TooEarly,
)
from foedus.identity.ucan.policy import Budget

CHAIN_MAX = 8
"""Links of a chain: a person, their node, an agent and its helpers are four; each costs a signature check."""


def check_chain(  # noqa: PLR0913  # who, whose, what, with what, when: the claim, each part named by the caller
    proofs: Sequence[Delegation],
    *,
    issuer: str,
    subject: str,
    command: str,
    arguments: Mapping[str, Any],
    now_s: int,
    revoked: Callable[[bytes], bool],
    foreign: bool = True,
    budget: Budget | None = None,
) -> None:
    """Return if ``proofs``, root first, allow ``issuer`` to do ``command`` with ``arguments`` to ``subject``.

    The proofs' signatures have been checked (``parse_delegation``). ``now_s``: seconds since 1970 UTC.
    ``revoked`` is asked for each proof's CID. ``foreign``: the claim comes from another node, and then a
    powerline (``sub: null``) and the command ``/`` are refused. ``budget``: what policies may cost, where several
    chains are looked at. Without proofs only the subject itself may.
    Raises InvalidClaim, Revoked, Expired, TooEarly, InvalidSubject, InvalidAudience, InvalidCommand, MatchError.
    """
    if foreign and (command == TOP or any(proof.subject is None or proof.command == TOP for proof in proofs)):
        raise InvalidClaim("from another node neither a powerline nor the command / is taken")
    _check_root(proofs, issuer, subject)
    for proof in proofs:
        _check_in_force(proof, now_s, revoked)
        if proof.subject not in (None, subject):
            raise InvalidSubject(f"a proof is about {proof.subject}, not about {subject}")
    receivers = [*((proof.issuer, proof.command) for proof in proofs[1:]), (issuer, command)]
    for proof, (next_issuer, next_command) in zip(proofs, receivers, strict=False):
        _check_step(proof, next_issuer, next_command)
    for proof in proofs:  # last, since a policy may cost a thousand times as much as the rest
        if not proof.policy.matches(arguments, budget):
            raise MatchError(f"the arguments do not match the policy of a proof by {proof.issuer}")


def check_in_time(expires: int | None, not_before: int | None, now_s: int) -> None:
    """Raise Expired after ``expires``, TooEarly before ``not_before`` (seconds since 1970 UTC; None: no bound)."""
    if expires is not None and now_s > expires:
        raise Expired(f"the token's time was over at {expires}")
    if not_before is not None and now_s < not_before:
        raise TooEarly(f"the token's time begins at {not_before}")


def _check_root(proofs: Sequence[Delegation], issuer: str, subject: str) -> None:
    if len(proofs) > CHAIN_MAX:
        raise InvalidClaim(f"a chain has at most {CHAIN_MAX} links, not {len(proofs)}")
    if not proofs:
        if issuer != subject:
            raise InvalidClaim("without proofs nobody speaks for another")
        return
    if proofs[0].issuer != proofs[0].subject:  # which a powerline, without a subject, never is
        raise InvalidClaim("the root of a chain is issued by its subject")


def _check_in_force(proof: Delegation, now_s: int, revoked: Callable[[bytes], bool]) -> None:
    if revoked(proof.cid):
        raise Revoked(f"a proof by {proof.issuer} was revoked")
    check_in_time(proof.expires, proof.not_before, now_s)


def _check_step(proof: Delegation, next_issuer: str, next_command: str) -> None:
    if proof.audience != next_issuer:
        raise InvalidAudience(f"a proof delegates to {proof.audience}, and {next_issuer} uses it")
    if not covers(proof.command, next_command):
        raise InvalidCommand(f"{proof.command} does not cover {next_command}")
