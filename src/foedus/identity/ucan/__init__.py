"""May they? UCAN 1.0: delegations, invocations and revocations, checked offline from their bytes alone. No I/O.

A delegation says what its audience may do; a chain of them, root first, carries authority from the
subject to whoever acts. ``check_chain`` judges, ``parse_*`` read, ``issue_*`` write.
"""

from foedus.identity.ucan.cache import DelegationCache
from foedus.identity.ucan.chain import CHAIN_MAX, check_chain
from foedus.identity.ucan.command import covers
from foedus.identity.ucan.container import decode_container, encode_container
from foedus.identity.ucan.delegation import Delegation, issue_delegation, parse_delegation
from foedus.identity.ucan.invocation import Invocation, check_invocation, issue_invocation, parse_invocation
from foedus.identity.ucan.ipld import Link, cid_of, cid_text
from foedus.identity.ucan.nonces import NonceBook
from foedus.identity.ucan.policy import Budget, Policy, matches, parse_policy
from foedus.identity.ucan.revocation import Revocation, issue_revocation, parse_revocation, revokes

__all__ = [
    "CHAIN_MAX",
    "Budget",
    "Delegation",
    "DelegationCache",
    "Invocation",
    "Link",
    "NonceBook",
    "Policy",
    "Revocation",
    "check_chain",
    "check_invocation",
    "cid_of",
    "cid_text",
    "covers",
    "decode_container",
    "encode_container",
    "issue_delegation",
    "issue_invocation",
    "issue_revocation",
    "matches",
    "parse_delegation",
    "parse_invocation",
    "parse_policy",
    "parse_revocation",
    "revokes",
]
