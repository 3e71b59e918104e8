"""What two chains make of a line of agreement: a fold of each chain, and one function of the two.

``Side`` folds the accepted acts of one node in the order of its chain. ``standing`` looks at both sides at once, so
the result is the same in every order of delivery. The node with the smaller id orders the versions: on each base the
first ``Signed`` of its chain counts. That holds both signatures, so nothing that the other side does to its own chain
(a new epoch with an early cut, a device revoked) brings a former version back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from foedus.base.clock import Instant
from foedus.trust.agreements.acts import Act, Ended, Proposed, Refused, Signed
from foedus.trust.agreements.document import Agreement
from foedus.trust.agreements.states import State, Step, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from foedus.log.bodies import Consent

DOCUMENT_BYTES_MAX = 1_048_576
"""Bytes of documents that are kept of one side: a thousand, looked through when people look.
What a side writes beyond counts nowhere."""
REFUSALS_MAX = 16_384
"""Documents that one side declined or withdrew: as above."""


class Side:
    """The acts of one node. ``apply`` them in the order of its chain, and ``hear`` when its people's devices change.

    ``speaks(did, device)``: whether the node enrolled that device for that human, be it revoked since. What is kept
    does not depend on it, so that a device that comes later has nothing read again.
    """

    def __init__(self, speaks: Callable[[str, bytes], bool] = lambda _did, _device: True) -> None:
        self.opened: bytes | None = None
        """The starter of the newest line that this node has noted."""
        self._speaks = speaks
        self._said: list[Act] = []
        self._known: set[tuple[type, bytes, tuple[str, bytes] | None]] = set()
        self._words: dict[tuple[str, bytes], bool] = {}
        """Whose word by which device stands with what was said, and whether it is heard."""
        self._bytes = 0
        self._clear()

    def _clear(self) -> None:
        self.proposals: dict[bytes, Proposed] = {}
        self.signed: dict[bytes, Signed] = {}
        self.refusals: dict[bytes, Refused] = {}
        self.ended: dict[bytes, Instant] = {}

    def apply(self, act: Act) -> bool:
        """Take in the next act; tell whether it changed how a line stands.

        What notes a beginning, comes twice, after its refusal by the same side, or beyond the bounds changes nothing.
        """
        if isinstance(act, Signed) and act.agreement.version == 1:
            self.opened = act.id
            return False
        if not self._is_kept(act):
            return False
        self._said.append(act)
        return self._take(act)

    def hear(self) -> bool:
        """Ask again whose words are heard; tell whether anything changed."""
        words = {word: self._speaks(*word) for word in self._words}
        if words == self._words:
            return False
        self._words = words
        self._clear()
        for act in self._said:
            self._take(act)
        return True

    def _is_kept(self, act: Act) -> bool:
        """Whether an act may ever count: by the chain alone, whoever is enrolled."""
        match act:
            case Refused():
                return act.id not in self.refusals and len(self.refusals) < REFUSALS_MAX
            case Ended():
                return act.id not in self.ended and len(self.ended) < REFUSALS_MAX
        word = (act.human.did, act.human.device) if act.human is not None else None
        key = (type(act), act.id, word)
        if key in self._known or self._bytes + len(act.document) > DOCUMENT_BYTES_MAX:
            return False
        self._known.add(key)
        self._bytes += len(act.document)
        if word is not None and word not in self._words:
            self._words[word] = self._speaks(*word)
        return True

    def _take(self, act: Act) -> bool:
        match act:
            case Refused():
                self.refusals[act.id] = act
                return True
            case Ended():
                self.ended[act.id] = act.at
                return True
            case Proposed():
                return act.id not in self.proposals and self._is_heard(act) and self._put(self.proposals, act)
            case Signed():
                known = act.id in self.signed or act.id in self.refusals
                return not known and self._is_heard(act) and self._put(self.signed, act)

    def _is_heard(self, act: Proposed | Signed) -> bool:
        return act.human is None or self._words[act.human.did, act.human.device]

    @staticmethod
    def _put(acts: dict[bytes, Any], act: Proposed | Signed) -> bool:
        acts[act.id] = act
        return True


class Version(NamedTuple):
    """A document that was in force, or is. ``since``: clock of what finalised it; 0 of the starter."""

    id: bytes
    document: bytes
    agreement: Agreement
    since: Instant


class Proposal(NamedTuple):
    """A document that was proposed on a version of the line, by one of the two nodes."""

    act: Proposed
    by: bytes
    state: State


class Standing(NamedTuple):
    """A line. ``versions``: from the starter to the newest; ``proposals``: in the order of their clocks."""

    versions: tuple[Version, ...]
    proposals: tuple[Proposal, ...]
    ended: Instant | None

    @property
    def newest(self) -> Version:
        """Return the version in force, or the last that was."""
        return self.versions[-1]

    def state_of(self, version: Version, now: Instant) -> State:
        """Return the state of a version."""
        steps = [Step.FINALISE]
        if version.agreement.is_expired(now):
            steps.append(Step.EXPIRE)
        if version.id != self.newest.id:
            steps.append(Step.REPLACE)
        if self.ended is not None:
            steps.append(Step.END)
        return state_of(steps)


def standing(sides: Mapping[bytes, Side], root: Version) -> Standing:
    """Return how a line stands. ``sides``: both, by node id; ``root``: the starter that peering holds."""
    versions = tuple(_versions(sides, root))
    ended = [side.ended[root.id] for side in sides.values() if root.id in side.ended]
    proposals = tuple(_proposals(sides, versions, is_ended=bool(ended)))
    return Standing(versions, proposals, min(ended) if ended else None)


def _versions(sides: Mapping[bytes, Side], root: Version) -> Iterator[Version]:
    """Yield the starter and, as long as there is one, the version that was finalised on the last."""
    yield root
    smaller = root.agreement.nodes[0]
    by_base: dict[bytes | None, list[Signed]] = {}
    for signed in sides[smaller].signed.values():
        by_base.setdefault(signed.agreement.base, []).append(signed)
    newest: Version | None = root
    while newest is not None:
        finals = by_base.get(newest.id, ())
        newest = next((version_of(it) for it in finals if follows(it, newest)), None)
        if newest is not None:
            yield newest


def version_of(signed: Signed) -> Version:
    """Return the version that a final signature makes."""
    return Version(signed.id, signed.document, signed.agreement, signed.at)


def follows(final: Signed, base: Version) -> bool:
    """Tell whether a final signature follows a base, with the approval that the one who makes it needs.

    That of the other side was checked before it was made: each node answers for its own humans to the other.
    """
    is_next = final.agreement.version == base.agreement.version + 1
    return is_next and may_approve(base.agreement, base.agreement.nodes[0], final.human)


def is_overtaken(act: Act, newest: Version) -> bool:
    """Tell whether an act is about a version that a newer one has replaced, as one that is replayed is."""
    if not isinstance(act, Proposed | Signed):
        return False
    version = act.agreement.version
    return version < newest.agreement.version or (version > 1 and version == newest.agreement.version)


def may_approve(base: Agreement, node: bytes, human: Consent | None) -> bool:
    """Tell whether a version on ``base`` has the approval that it needs of ``node``.

    That is one of the humans whom the base names for the node; where it names none, its operator's word suffices.
    """
    named = base.dids_of(node)
    return not named or (human is not None and human.did in named)


def _proposals(sides: Mapping[bytes, Side], versions: tuple[Version, ...], *, is_ended: bool) -> Iterator[Proposal]:
    bases = {version.id: version.agreement for version in versions}
    found = [
        (act, node)
        for node, side in sides.items()
        for act in side.proposals.values()
        if (base := bases.get(act.agreement.base or b"")) is not None
        and act.agreement.version == base.version + 1
        and may_approve(base, node, act.human)
    ]
    found.sort(key=lambda item: (item[0].at, item[0].id))
    answered = {(it.answers, node) for node, side in sides.items() for it in side.proposals.values()}
    for act, node in found:
        steps = set(_steps(act, node, sides, versions))
        if any((act.id, other) in answered for other in sides if other != node):
            steps.add(Step.COUNTER)
        yield Proposal(act, node, state_of([*steps, Step.END] if is_ended else steps))


def _steps(act: Proposed, by: bytes, sides: Mapping[bytes, Side], versions: tuple[Version, ...]) -> Iterator[Step]:
    """Yield what happened to a proposal, in no order."""
    smaller, larger = act.agreement.nodes
    yield Step.PROPOSE
    base = next(version for version in versions if version.id == act.agreement.base)
    consent = sides[larger].signed.get(act.id)
    if by == smaller and consent is not None and may_approve(base.agreement, larger, consent.human):
        yield Step.SIGN
    for side in sides.values():
        refusal = side.refusals.get(act.id)
        if refusal is not None:
            yield Step.WITHDRAW if refusal.is_withdrawn else Step.DECLINE
    ids = [version.id for version in versions]
    place = ids.index(base.id) + 1
    if act.id in ids:
        yield Step.FINALISE
        if place < len(ids) - 1:
            yield Step.REPLACE
    elif place < len(ids):
        yield Step.OVERTAKE
