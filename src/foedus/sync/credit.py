"""Credit: bytes of events that a receiver has agreed to hold before they are durable."""

from __future__ import annotations

from foedus.base.errors import PeerViolation
from foedus.base.limits import CREDIT_BYTES, ENVELOPE_MAX

ENTRY_BYTES = 4
"""The length before each envelope in a batch."""
SEND_FLOOR = ENVELOPE_MAX + ENTRY_BYTES
"""Credit below which nothing is read to be sent: so whatever envelope comes next surely fits."""


class CreditOverrun(PeerViolation):
    """The peer sent more events than it had credit for, or returned credit that it never had."""

    code = "credit_overrun"
    remedy = "the other node must count the bytes of each batch against its credit"


class SendCredit:
    """What we may still send. ``left``: bytes."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = CREDIT_BYTES

    @property
    def enough(self) -> bool:
        """Whether any one envelope surely fits."""
        return self.left >= SEND_FLOOR

    def spend(self, cost: int) -> None:
        """Count what is sent; raise ValueError where there is not enough."""
        if cost > self.left:
            raise ValueError(f"a batch of {cost} bytes with {self.left} bytes of credit")
        self.left -= cost

    def returned(self, cost: int) -> None:
        """Count what the peer gave back; raise CreditOverrun where that is more than it held."""
        if self.left + cost > CREDIT_BYTES:
            raise CreditOverrun(f"{cost} bytes of credit returned, of which {CREDIT_BYTES - self.left} were out")
        self.left += cost


class ReceiveCredit:
    """What the peer may still send. ``out``: bytes received and not yet given back."""

    __slots__ = ("out",)

    def __init__(self) -> None:
        self.out = 0

    def received(self, cost: int) -> None:
        """Count a batch; raise CreditOverrun where the peer had not enough."""
        if self.out + cost > CREDIT_BYTES:
            raise CreditOverrun(f"a batch of {cost} bytes with {CREDIT_BYTES - self.out} bytes of credit")
        self.out += cost

    def give_back(self, cost: int) -> None:
        """Count what an ack returns; raise ValueError where more than was received."""
        if not 0 <= cost <= self.out:
            raise ValueError(f"{cost} bytes given back, of which {self.out} were out")
        self.out -= cost
