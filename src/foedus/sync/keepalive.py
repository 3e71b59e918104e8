"""The times of a session: when to ping, when a silent link is dead, when keys are too old."""

from __future__ import annotations

from foedus.base.clock import Instant
from foedus.base.limits import (
    FRAMES_PER_KEY_MAX,
    HANDSHAKE_TIMEOUT,
    KEEPALIVE_INTERVAL,
    KEEPALIVE_TIMEOUT,
    REHANDSHAKE_INTERVAL,
)

GREETING_TIMEOUT = HANDSHAKE_TIMEOUT
"""How long a proved peer may leave us without ready, pending or refused."""
FRAMES_BEFORE_REKEY = FRAMES_PER_KEY_MAX - (1 << 20)
"""A million frames before the nonces end: what is in flight and the goodbye still fit."""


class KeepAlive:
    """``frames_sent`` and ``frames_received`` are counted by the session; the rest follows from ``now``."""

    def __init__(self, now: Instant) -> None:
        self.frames_sent = 0
        self.frames_received = 0
        self._began = now
        self._heard = now
        self._ping_at = now + KEEPALIVE_INTERVAL
        self._sent_before = 0

    def heard(self, now: Instant) -> None:
        """Count a frame of the peer."""
        self._heard = max(self._heard, now)
        self.frames_received += 1

    def next_deadline(self, *, greeted: bool) -> Instant:
        """When something is due; ``greeted``: whether the peer has said ready or pending."""
        deadline = min(self._ping_at, self._heard + KEEPALIVE_TIMEOUT, self._began + REHANDSHAKE_INTERVAL)
        return deadline if greeted else min(deadline, self._began + GREETING_TIMEOUT)

    def must_close(self, now: Instant, *, greeted: bool) -> tuple[str, str] | None:
        """Return (code, message) where the link is at its end."""
        if now >= self._heard + KEEPALIVE_TIMEOUT:
            return "keepalive_timeout", f"silent for {KEEPALIVE_TIMEOUT // 1_000_000} s"
        if not greeted and now >= self._began + GREETING_TIMEOUT:
            return "greeting_timeout", f"no greeting within {GREETING_TIMEOUT // 1_000_000} s"
        if now >= self._began + REHANDSHAKE_INTERVAL or self.spent:
            return "rekey", "these keys have served their time; dial again"
        return None

    @property
    def spent(self) -> bool:
        """Whether the keys have sealed or opened nearly all they may."""
        return max(self.frames_sent, self.frames_received) >= FRAMES_BEFORE_REKEY

    def wants_ping(self, now: Instant) -> bool:
        """Whether we were silent for an interval (asked once per interval)."""
        if now < self._ping_at:
            return False
        self._ping_at = now + KEEPALIVE_INTERVAL
        silent = self.frames_sent == self._sent_before
        self._sent_before = self.frames_sent + silent  # the ping that follows is no sign of life next time
        return silent


class PeerClock:
    """How far the peer's wall clock is from ours, by pings: taken at the middle of the round trip (RFC 5905, 8)."""

    def __init__(self) -> None:
        self.offset_us: int | None = None
        self._number = 0
        self._asked_at: Instant = 0

    def asked(self, now: Instant) -> int:
        """Return the number of the ping that is sent now."""
        self._number += 1
        self._asked_at = now
        return self._number

    def answered(self, number: int, clock: Instant, now: Instant) -> None:
        """Take a pong; one that answers no open ping says nothing."""
        if number == self._number:
            self.offset_us = clock - (self._asked_at + now) // 2
