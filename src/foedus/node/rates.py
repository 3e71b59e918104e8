"""How often: the limits of ``[federation.limits]``, counted per token, address, peer and participant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil
from typing import Literal, TypeAlias

from foedus.adapters.rate_store import RateLimit
from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.base.limits import PEERS_MAX, SECOND
from foedus.node.policy import PolicyBook
from foedus.sync.pace import Throttle
from foedus.sync.strangers import LOOPBACK, network_of
from foedus.trust.policy import Policy

Kind: TypeAlias = Literal[
    "api_per_token",
    "api_per_address",
    "federation_per_address",
    "federation_per_peer",
    "requests_per_address",
    "queries_per_peer",
    "queries_per_participant",
    "speech_per_participant",
]
_KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]  # what a Literal holds
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


class TooOften(UsageError):
    """More than this node's policy allows. ``retry_after_s``: whole seconds until it may go on."""

    code = "rate_limited"
    http_status = 429

    def __init__(self, kind: Kind | Literal["agreement"], rate: str, retry_after_s: float) -> None:
        self.retry_after_s = max(1, ceil(retry_after_s))
        super().__init__(
            f"too often: at most {rate} ({kind})",
            remedy=f"try again in {self.retry_after_s} s; this node's operator sets {kind} in foedus.toml",
        )


class Rates:
    """Counts, by the policy in force. After a reload every count of a changed limit begins anew."""

    def __init__(self, policy: PolicyBook, now: Callable[[], Instant]) -> None:
        self.refused: Counter[Kind] = Counter()
        self._now = now
        self._limits = policy.current.limits
        self._counts = {kind: RateLimit(getattr(self._limits, kind)) for kind in _KINDS}
        self._events: dict[bytes, Throttle] = {}
        """Peers that sent events; who sent last is last."""
        policy.on_changed.append(self._changed)

    def _changed(self, policy: Policy) -> None:
        before, self._limits = self._limits, policy.limits
        for kind in _KINDS:
            if getattr(before, kind) != getattr(self._limits, kind):
                self._counts[kind] = RateLimit(getattr(self._limits, kind))
        self._events.clear()

    def take(self, kind: Kind, who: str, cost: int = 1) -> None:
        """Count ``cost`` for ``who``; raise TooOften where that is too much (nothing is counted then)."""
        wait_s = self._counts[kind].take(who, cost)
        if wait_s:
            self.refused[kind] += 1
            raise TooOften(kind, getattr(self._limits, kind), wait_s)

    def take_address(self, kind: Kind, address: str) -> None:
        """Count one for the network of an IP address: a /24 or a /56. This machine's own is exempt."""
        network = network_of(address) if address else LOOPBACK
        if network != LOOPBACK:
            self.take(kind, network)

    def event_delay_s(self, peer: bytes, count: int) -> float:
        """Count events of a peer, and return for how long its credit is to be held back: 0.0 within its rate."""
        throttle = self._events.pop(peer, None) or Throttle(*_rate(self._limits.events_per_peer))
        self._events[peer] = throttle
        if len(self._events) > PEERS_MAX:
            del self._events[next(iter(self._events))]
        return throttle.owes(count, self._now()) / SECOND


def _rate(rate: str) -> tuple[int, Instant]:
    number, _, period = rate.partition("/")
    return int(number), _SECONDS[period] * SECOND
