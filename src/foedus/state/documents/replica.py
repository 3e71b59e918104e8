"""The port of the library that holds Yjs documents.

Updates are checked before they come here (``update.check``), which is not enough: yrs, which pycrdt wraps, believes
what an item says of its neighbours, and a few of them that lie make it write where it must not. So a node keeps its
replicas in a process of their own (``adapters.document_keeper``), and loses that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from foedus.base.errors import Unavailable
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.update import EMPTY

if TYPE_CHECKING:
    from pycrdt import Doc

_MERGED_AT_ONCE = 32
"""Updates of one call of ``merge_updates``."""
_JOINED_AT_ONCE = 512


class ReplicasLost(Unavailable):
    """What held the documents ended: they are folded from the log again. Nothing durable is lost."""

    code = "documents_lost"
    remedy = "connect again; if it stays so, see the node's log for the room whose updates end it"


class Replica(Protocol):
    """One document. Methods raise ReplicasLost."""

    def apply(self, update: bytes) -> None:
        """Take in a checked update; raise BadUpdate where it does not fit what is held."""
        ...

    def state_vector(self) -> bytes:
        """Return what it has, as Yjs says it."""
        ...

    def beyond(self, state_vector: bytes) -> bytes:
        """Return as an update what it has beyond a checked state vector."""
        ...

    def whole(self) -> bytes:
        """Return all of it as one update."""
        ...

    def is_changed_by(self, update: bytes) -> bool:
        """Whether a checked update would change anything; raise BadUpdate where it does not fit."""
        ...


class Replicas(Protocol):
    """Makes replicas. ``on_lost`` is called when all of them are."""

    on_lost: Callable[[], None]

    def start(self, room: str) -> None:
        """Make ready; blocks. Raises ReplicasLost, and BadUpdate where the room (the name of its stream) is closed."""
        ...

    def make(self, room: str) -> Replica:
        """Return an empty document of a room."""
        ...

    def merged(self, updates: Sequence[bytes]) -> bytes:
        """Return checked updates as one; raise BadUpdate."""
        ...

    def close(self) -> None:
        """Release what is held; blocks."""
        ...


class Yjs:
    """``Replica`` in this process: for the process that may be lost, and for tests."""

    def __init__(self) -> None:
        self._doc = _new()

    def apply(self, update: bytes) -> None:
        """Take in an update."""
        _apply(self._doc, update)

    def state_vector(self) -> bytes:
        """Return what it has."""
        return self._doc.get_state()

    def beyond(self, state_vector: bytes) -> bytes:
        """Return what it has beyond a state vector."""
        return self._doc.get_update(state_vector)

    def whole(self) -> bytes:
        """Return all of it."""
        return self._doc.get_update()

    def is_changed_by(self, update: bytes) -> bool:
        """Apply the update to a copy."""
        copy = _new()
        copy.apply_update(self.whole())
        before = copy.get_update()
        _apply(copy, update)
        return copy.get_update() != before


class Unheld:
    """``Replica`` of nothing: for who wants updates put together and no document."""

    def apply(self, update: bytes) -> None:
        """Take nothing in."""

    def state_vector(self) -> bytes:
        """Return that it has nothing."""
        return b"\x00"

    def beyond(self, state_vector: bytes) -> bytes:  # noqa: ARG002  # as the port has it
        """Return an empty update."""
        return EMPTY

    def whole(self) -> bytes:
        """Return an empty update."""
        return EMPTY

    def is_changed_by(self, update: bytes) -> bool:  # noqa: ARG002  # as the port has it
        """Return that nothing changes it."""
        return False


class CannotJoin(Exception):
    """Some of the updates cannot be joined with the others: they are to be taken in one by one."""


class Joined(Unheld):
    """``Replica`` that only joins what is applied, for another to hold it all at once."""

    def __init__(self, merge: Callable[[Sequence[bytes]], bytes]) -> None:
        self._merge = merge
        self._levels: list[list[bytes]] = [[]]
        """What is joined again and again costs the square; so each level holds joined ones of the level below."""

    def apply(self, update: bytes) -> None:
        """Take in the next update. Raises CannotJoin."""
        self._levels[0].append(update)
        for level, held in enumerate(self._levels):
            if len(held) < _JOINED_AT_ONCE:
                return
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(self._joined(held))
            self._levels[level] = []

    def whole(self) -> bytes:
        """Return all of it as one update. Raises CannotJoin."""
        return self._joined([update for level in reversed(self._levels) for update in level])

    def _joined(self, updates: list[bytes]) -> bytes:
        try:
            return self._merge(updates) if updates else EMPTY
        except BadUpdate as error:
            raise CannotJoin(str(error)) from error


class Here:
    """``Replicas`` in this process."""

    on_lost: Callable[[], None] = staticmethod(lambda: None)

    def start(self, room: str) -> None:
        """Do nothing."""

    def make(self, room: str) -> Replica:  # noqa: ARG002  # as the port has it
        """Return an empty document."""
        return Yjs()

    def merged(self, updates: Sequence[bytes]) -> bytes:
        """Return updates as one."""
        return merged(updates)

    def close(self) -> None:
        """Do nothing."""


def merged(updates: Sequence[bytes]) -> bytes:
    """Return checked updates as one; raise BadUpdate."""
    from pycrdt import merge_updates  # noqa: PLC0415  # 2 MB: loaded where documents are held

    found = list(updates)
    try:
        while len(found) > 1:  # all at once takes the square of their number
            groups = (found[first : first + _MERGED_AT_ONCE] for first in range(0, len(found), _MERGED_AT_ONCE))
            found = [group[0] if len(group) == 1 else merge_updates(*group) for group in groups]
        return found[0]
    except (RuntimeError, ValueError) as error:
        raise BadUpdate(str(error)[:200]) from None


def _new() -> Doc[Any]:
    from pycrdt import Doc  # noqa: PLC0415  # 2 MB: loaded where documents are held

    return Doc()


def _apply(doc: Doc[Any], update: bytes) -> None:
    try:
        doc.apply_update(update)
    except (RuntimeError, ValueError) as error:
        raise BadUpdate(str(error)[:200]) from None
