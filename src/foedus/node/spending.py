"""What a question or a call of another node's agent uses up here: nonces that serve once, and uses of its grants.

It counts from the moment it is taken, so that nothing passes twice meanwhile, and is durable before anything is done.
Where it could not be written nothing was done, and it is given back: a disk without room uses up nobody's grants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.log.grants import Grant
from foedus.log.port import Value
from foedus.node.crossings import Crossings
from foedus.node.grant_uses import uses_per_hour
from foedus.node.invocation_nonces import InvocationNonces


class Spent(NamedTuple):
    """What serves once: the nonce of an issuer (did:key), until it expires in seconds."""

    issuer: str
    nonce: bytes
    expires: int | None


class UsedUp(UsageError):
    """The grants allow no more acts in the hour before now."""

    code = "grant.uses"
    http_status = 403
    remedy = "wait until the hour is over, or ask a person for a grant that allows more"


class Bill(NamedTuple):
    """What was taken, and what has to be stored before anything is done for it."""

    once: Sequence[Spent]
    grants: Sequence[Grant]
    at: Instant
    values: list[Value]


class Spending:
    """One per node, beside the judges of questions and of calls."""

    def __init__(self, nonces: InvocationNonces, crossings: Crossings) -> None:
        self._nonces = nonces
        self._crossings = crossings

    def take(self, once: Sequence[Spent], grants: Sequence[Grant], now: Instant) -> Bill:
        """Count nonces and one use of each grant that is limited, all or nothing.

        Raises UsedUp, or what ``InvocationNonces.take`` does. Next: store the values, or ``give_back``.
        """
        limited = [grant for grant in grants if uses_per_hour(grant)]
        values = self._nonces.take(once)
        if not self._crossings.count(limited, now):
            self._nonces.give_back(once)
            raise UsedUp("its grants allow no more this hour")
        return Bill(once, limited, now, [*values, *self._crossings.kept(limited, now)])

    def give_back(self, bill: Bill) -> None:
        """Undo ``take``: its values could not be stored."""
        self._nonces.give_back(bill.once)
        self._crossings.uncount(bill.grants, bill.at, bill.values)
