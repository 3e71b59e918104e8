"""From a path to the door that answers it. The same paths as Litestar's router takes, and a test holds it to that."""

from __future__ import annotations

import re
from typing import Generic, NamedTuple, TypeVar

Target = TypeVar("Target")
_SLASHES = re.compile("//+")


class Found(NamedTuple, Generic[Target]):
    """What answers a path. ``path``: as it is written without needless slashes; ``parameters``: by their names."""

    target: Target
    path: str
    parameters: dict[str, str]


class _Branch(Generic[Target]):
    """What follows the segments so far: certain ones, or any one, which is then a parameter."""

    __slots__ = ("any", "certain", "names", "target")

    def __init__(self) -> None:
        self.certain: dict[str, _Branch[Target]] = {}
        self.any: _Branch[Target] | None = None
        self.target: Target | None = None
        self.names: list[str] = []


class Router(Generic[Target]):
    """A table of paths such as ``/rooms/{room}/messages``. Slashes at the end, and one after another, do not count.

    A path without parameters is looked up as a whole, before all others. Among the others a segment that is written
    out comes before a parameter, and there is no way back: beside ``/a/b/{c}/e`` nothing else answers ``/a/b/d``.
    """

    def __init__(self) -> None:
        self._whole: dict[str, Target] = {}
        self._root: _Branch[Target] = _Branch()

    def add(self, path: str, target: Target) -> None:
        """Let ``target`` answer a path."""
        if "{" not in path:
            self._whole[path] = target
            return
        branch, names = self._root, []
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                branch.any = branch.any or _Branch()
                branch = branch.any
            else:
                branch = branch.certain.setdefault(segment, _Branch())
        branch.target, branch.names = target, names

    def find(self, path: str) -> Found[Target] | None:
        """Return what answers a path (its percent-encoding undone, as ASGI has it), None where nothing does."""
        if "//" in path or path[-1:] == "/" or path[:1] != "/":
            path = _SLASHES.sub("/", f"/{path.strip('/')}")
        whole = self._whole.get(path)
        return self._walk(path) if whole is None else Found(whole, path, {})

    def _walk(self, path: str) -> Found[Target] | None:
        branch, values = self._root, []
        for segment in path.split("/")[1:]:
            following = branch.certain.get(segment)
            if following is None:
                following = branch.any
                values.append(segment)
            if following is None:
                return None
            branch = following
        if branch.target is None:
            return None
        return Found(branch.target, path, dict(zip(branch.names, values, strict=True)))
