"""The variable-length numbers and strings of lib0, which Yjs and y-protocols are made of."""

from __future__ import annotations

from collections.abc import Callable

from foedus.base.errors import UsageError
from foedus.state.documents.limits import NUMBER_MAX

_MORE = 0x80
_SEVEN = 0x7F


class Reader:
    """Reads bytes from their start. What is not there, or too great, raises what ``refuse`` makes of a text."""

    __slots__ = ("_data", "_refuse", "at")

    def __init__(self, data: bytes, refuse: Callable[[str], UsageError]) -> None:
        self._data = data
        self._refuse = refuse
        self.at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self.at

    def fail(self, why: str) -> UsageError:
        """Return the error to raise."""
        return self._refuse(f"{why} at byte {self.at}")

    def byte(self) -> int:
        """Return the next byte."""
        if self.at >= len(self._data):
            raise self.fail("it ends too early")
        self.at += 1
        return self._data[self.at - 1]

    def number(self, most: int = NUMBER_MAX) -> int:
        """Return an unsigned number."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & _SEVEN) << shift
            if value > most:
                raise self.fail("a number is too great")
            if byte < _MORE:
                return value
            shift += 7
            if shift > 63:  # noqa: PLR2004  # nothing but zeroes can follow
                raise self.fail("a number is too long")

    def count(self) -> int:
        """Return how many of something follow; each takes a byte at least."""
        return self.number(self.left)

    def skip(self, size: int) -> bytes:
        """Return the next bytes."""
        if size > self.left:
            raise self.fail("it ends too early")
        self.at += size
        return self._data[self.at - size : self.at]

    def block(self) -> bytes:
        """Return bytes with their length before them."""
        return self.skip(self.number())

    def text(self) -> str:
        """Return UTF-8 with its length before it."""
        try:
            return self.block().decode()
        except UnicodeDecodeError:
            raise self.fail("a text is not UTF-8") from None

    def end(self) -> None:
        """Raise where anything is left."""
        if self.left:
            raise self.fail("something follows the end")


def number(value: int) -> bytes:
    """Return an unsigned number as it is written."""
    found = bytearray()
    while value >= _MORE:
        found.append(value & _SEVEN | _MORE)
        value >>= 7
    found.append(value)
    return bytes(found)


def block(data: bytes) -> bytes:
    """Return bytes with their length before them."""
    return number(len(data)) + data
