"""Blobs in memory: for simulations, and the slow, obvious twin of ``sqlite_blobs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from foedus.base.blobs import Blob, Named


class MemoryBlobs:
    """``BlobStore`` that ends with its process."""

    def __init__(self) -> None:
        self._named: dict[bytes, Named] = {}
        self._chunks: dict[tuple[str, bytes], bytes] = {}
        self._reached = 0

    def name(self, named: Sequence[Named]) -> None:
        """Note that events name blobs."""
        for each in named:
            self._named.setdefault(each.event, each)

    def put(self, stream: str, chunks: Mapping[bytes, bytes]) -> None:
        """Keep chunks."""
        self._chunks.update({(stream, name): data for name, data in chunks.items()})

    def chunk(self, stream: str, chunk: bytes) -> bytes | None:
        """Return a chunk."""
        return self._chunks.get((stream, chunk))

    def missing(self, stream: str, blob: Blob) -> list[int]:
        """Return the numbers of what is not here."""
        return [number for number, chunk in enumerate(blob.chunks) if (stream, chunk) not in self._chunks]

    def read(self, stream: str, blob: Blob) -> bytes | None:
        """Return a whole blob."""
        found = [self._chunks.get((stream, chunk)) for chunk in blob.chunks]
        held = [data for data in found if data is not None]
        return b"".join(held) if len(held) == len(found) else None

    def forget(self, events: Sequence[bytes]) -> None:
        """Let names go, and what nobody names any more."""
        gone = [named for event in events if (named := self._named.pop(event, None)) is not None]
        kept = {(named.stream, chunk) for named in self._named.values() for chunk in named.blob.chunks}
        for named in gone:
            for chunk in named.blob.chunks:
                if (named.stream, chunk) not in kept:
                    self._chunks.pop((named.stream, chunk), None)

    def named(self) -> Iterator[Named]:
        """Yield what is noted."""
        yield from list(self._named.values())

    def reached(self) -> int:
        """Return how far the log was read."""
        return self._reached

    def reach(self, local: int) -> None:
        """Note how far the log was read."""
        self._reached = local

    def close(self) -> None:
        """Nothing is open."""
