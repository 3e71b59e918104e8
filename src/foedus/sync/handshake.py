"""The handshake of a link: SIGMA-style, hybrid post-quantum, three messages (docs/protocol.md section 5).

SIGMA (Krawczyk, 2003): both sides sign the transcript with their identity *inside* the encryption,
so a link has no identity misbinding and shows strangers on the path nobody's keys. The transitions
stand in ``transitions.HANDSHAKE``. Whatever bytes come, ``handle`` returns effects and never raises.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.limits import HANDSHAKE_TIMEOUT
from foedus.crypto.xwing import XWingKey, encapsulate
from foedus.identity.keys import SigningKeys
from foedus.identity.record import SignedRecord
from foedus.sync.capabilities import Capabilities, negotiate
from foedus.sync.effects import Close, Established, HandshakeEffect, PeerIdentity, Send
from foedus.sync.transcript import (
    BadHandshake,
    Claim,
    Role,
    handshake_key,
    open_proof,
    read_m1,
    read_m2,
    seal_proof,
    traffic,
    transcript,
    verify_claim,
    write_c2,
    write_m1,
    write_m2,
)
from foedus.sync.transitions import HANDSHAKE, Step


class Local(NamedTuple):
    """Who we are in a handshake: secret keys of the newest record, all records oldest first, what we can do."""

    keys: SigningKeys
    history: Sequence[SignedRecord]
    capabilities: Capabilities


class _Handshake(ABC):
    """What both roles share: the step, the deadline, and how anything bad ends."""

    _role: Role
    _peer_role: Role

    def __init__(self, step: Step, local: Local, known: Callable[[bytes], bool], now: Instant) -> None:
        if not local.history:
            raise ValueError("a node shows at least its first identity record")
        self.step = step
        self._local = local
        self._known = known
        self._deadline = now + HANDSHAKE_TIMEOUT

    def handle(self, message: bytes, now: Instant) -> list[HandshakeEffect]:
        """Take a message from the other side. Whatever it is, nothing is raised; after the end it does nothing."""
        if self._over:
            return []
        if now >= self._deadline:
            return self.on_deadline(now)
        try:
            return self._receive(message)
        except PeerViolation as error:
            return self._close(error.code, str(error))

    def next_deadline(self) -> Instant | None:
        """When to call ``on_deadline``; None once the handshake is over."""
        return None if self._over else self._deadline

    def on_deadline(self, now: Instant) -> list[HandshakeEffect]:
        """Close where the other side took too long."""
        if self._over or now < self._deadline:
            return []
        return self._close("handshake_timeout", f"no handshake within {HANDSHAKE_TIMEOUT // 1_000_000} s")

    @property
    def _over(self) -> bool:
        return self.step in {Step.ESTABLISHED, Step.CLOSED}

    @abstractmethod
    def _receive(self, message: bytes) -> list[HandshakeEffect]:
        """Take the next message; raise PeerViolation where it is bad."""

    def _step(self, event: str) -> None:
        self.step = HANDSHAKE[self.step, event]

    def _close(self, code: str, message: str) -> list[HandshakeEffect]:
        self.step = Step.CLOSED
        return [Close(code, message)]

    def _check(self, claim: Claim, before: Sequence[bytes]) -> None:
        """Believe the other side's claim, or raise."""
        if claim.node == self._local.history[0].node:
            raise BadHandshake("this node reached itself", code="self_link")
        verify_claim(self._peer_role, claim, before, self._known)

    def _seal_proof(self, before: Sequence[bytes], key: bytes) -> bytes:
        keys, history, capabilities = self._local
        return seal_proof(self._role, keys, capabilities, history, before, key)

    def _established(self, claim: Claim, secret: bytes, messages: Sequence[bytes]) -> Established:
        h3 = transcript(*messages)
        peer = PeerIdentity(
            node=claim.node,
            history=claim.history,
            newest=claim.history[-1],
            capabilities=negotiate(self._local.capabilities, claim.capabilities),
            capabilities_offered=claim.capabilities,
        )
        return Established(peer, traffic(secret, h3, self._role), traffic(secret, h3, self._peer_role))


class Initiator(_Handshake):
    """The side that dials.

    ``expected``: the id of the node that was dialled (32 bytes), None on a first contact by address;
    another node gets no M3, so it does not learn who called. ``ephemeral_seed`` and ``random``: 32
    fresh random bytes each. ``known(epoch)``: whether that record is verified and held already.
    """

    _role: Role = "initiator"
    _peer_role: Role = "responder"

    def __init__(
        self,
        *,
        local: Local,
        expected: bytes | None,
        ephemeral_seed: bytes,
        random: bytes,
        known: Callable[[bytes], bool],
        now: Instant,
    ) -> None:
        super().__init__(Step.READY_TO_DIAL, local, known, now)
        self._expected = expected
        self._ephemeral = XWingKey(ephemeral_seed)
        self._m1 = write_m1(self._ephemeral.public, random)

    def start(self) -> list[HandshakeEffect]:
        """Return M1; raise ValueError when called again."""
        if self.step is not Step.READY_TO_DIAL:
            raise ValueError(f"the handshake is already {self.step.value}")
        self._step("start / send M1")
        return [Send(self._m1)]

    def _receive(self, message: bytes) -> list[HandshakeEffect]:
        if self.step is Step.READY_TO_DIAL:
            raise BadHandshake("a message came before M1 was sent")
        m2, clear = read_m2(message)
        secret = self._ephemeral.decapsulate(clear.ciphertext)
        before = (self._m1, m2.clear)
        h2 = transcript(*before)
        claim = open_proof(m2.sealed, before, handshake_key(secret, h2, self._peer_role))
        if self._expected is not None and claim.node != self._expected:
            raise BadHandshake("another node answers at this address", code="wrong_node")
        self._check(claim, before)
        m3 = self._seal_proof((self._m1, message), handshake_key(secret, h2, self._role))
        self._step("M2 / send M3")
        return [Send(m3), self._established(claim, secret, (self._m1, message, m3))]


class Responder(_Handshake):
    """The side that is dialled.

    ``handle(M1)`` costs one ML-DSA signing (about 1 ms) for whoever asks: let ``StrangerGate.may_sign``
    permit it first. ``ephemeral_seed`` and ``random``: 32 fresh random bytes each. ``known(epoch)``:
    whether that record is verified and held already.
    """

    _role: Role = "responder"
    _peer_role: Role = "initiator"

    def __init__(
        self, *, local: Local, ephemeral_seed: bytes, random: bytes, known: Callable[[bytes], bool], now: Instant
    ) -> None:
        super().__init__(Step.AWAITING_M1, local, known, now)
        self._ephemeral_seed = ephemeral_seed
        self._random = random
        self._secret = self._m1 = self._m2 = self._h2 = b""

    def _receive(self, message: bytes) -> list[HandshakeEffect]:
        if self.step is Step.AWAITING_M1:
            return self._answer(message)
        before = (self._m1, self._m2)
        claim = open_proof(message, before, handshake_key(self._secret, self._h2, self._peer_role))
        self._check(claim, before)
        self._step("M3")
        return [self._established(claim, self._secret, (*before, message))]

    def _answer(self, message: bytes) -> list[HandshakeEffect]:
        m1 = read_m1(message)
        ciphertext, secret = encapsulate(m1.e, self._ephemeral_seed)
        clear = write_c2(ciphertext, self._random)
        before = (message, clear)
        self._h2 = transcript(*before)
        sealed = self._seal_proof(before, handshake_key(secret, self._h2, self._role))
        self._m1, self._m2, self._secret = message, write_m2(clear, sealed), secret
        self._step("M1 / send M2")
        return [Send(self._m2)]
