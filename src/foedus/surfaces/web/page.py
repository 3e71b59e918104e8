"""Serves the files of the page as they were built, and nothing else (docs/page.md).

The files are read once. What the page may do in a browser is said here, by the headers of each of them.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from foedus.base.errors import NotFound
from foedus.base.ids import sha256
from foedus.surfaces.http.problems import MethodNotAllowed
from foedus.surfaces.http.wire import Receive, Scope, Send, header, send_body, send_error

if TYPE_CHECKING:
    from collections.abc import Awaitable

FILES = Path(__file__).parent / "files"
FILES_MAX = 256
"""Files of a page: some thirty are built; a folder with more is not what was built."""
FILE_BYTES_MAX = 4_194_304
"""Bytes of one file: the largest, the editor, has some 300,000."""
_MEDIA_TYPES: Mapping[str, bytes] = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".webmanifest": b"application/manifest+json",
}
_PACKED = frozenset({".css", ".html", ".js", ".svg", ".webmanifest"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html foedus-worker"
)
"""No inline script or style, nobody else's anything, and no text becomes markup: Svelte alone makes elements."""
_GUARDS = [
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
_FOR_EVER = b"public, max-age=31536000, immutable"
"""For files whose name has the hash of what is in them."""
_ASK_AGAIN = b"no-cache"
"""For those that keep their names: kept, and shown when the node says that they are the same."""
_NOT_MODIFIED = 304


class NotBuilt(NotFound):
    """The page was left out of this installation."""

    code = "page_not_built"
    remedy = (
        "use the command line, or build the page: `make page` in a checkout, or install foedus without FOEDUS_SKIP_UI"
    )


class _File(Struct, frozen=True):
    """A file. ``may_pack``: whether its gzip form may be shorter."""

    body: bytes
    may_pack: bool
    media_type: bytes
    tag: bytes
    keeping: bytes


class Page:
    """The files of one folder, by their paths. ``page.html`` answers ``/``."""

    def __init__(self, folder: Path = FILES) -> None:
        self._files = dict(_read(folder))

    @property
    def is_built(self) -> bool:
        """Whether there is a page."""
        return "/" in self._files

    def find(self, path: str) -> Any | None:
        """Return what answers a path, None where it is not the page's."""
        if path in self._files or path == "/":
            return self
        return None

    def __call__(self, scope: Scope, _: Receive, send: Send) -> Awaitable[None]:
        """Answer a request for one of the files."""
        if scope["method"] not in {"GET", "HEAD"}:
            return send_error(send, MethodNotAllowed("this path takes GET"), "GET, HEAD")
        file = self._files.get(scope["path"])
        if file is None:
            return send_error(send, NotBuilt("this installation has no page"))
        return _send(file, scope, send)


async def _send(file: _File, scope: Scope, send: Send) -> None:
    known = header(scope, b"if-none-match")
    takes_packed = file.may_pack and b"gzip" in (header(scope, b"accept-encoding") or b"")
    packed = _packed(file.body) if takes_packed else b""
    body = packed or file.body
    fields = [
        (b"content-type", file.media_type),
        (b"cache-control", file.keeping),
        (b"etag", file.tag),
        (b"vary", b"accept-encoding"),
        *_GUARDS,
    ]
    if known == file.tag:
        await send({"type": "http.response.start", "status": _NOT_MODIFIED, "headers": fields})
        await send_body(send, b"")
        return
    fields.append((b"content-length", str(len(body)).encode()))
    if packed:
        fields.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send_body(send, b"" if scope["method"] == "HEAD" else body)


@lru_cache(maxsize=FILES_MAX)
def _packed(body: bytes) -> bytes:
    """Return the gzip form, nothing where it is no shorter.

    It is made when it is first asked for: all of them take 30 ms, more than the rest of what a node does to start.
    """
    packed = gzip.compress(body, mtime=0)
    return packed if len(packed) < len(body) else b""


def _read(folder: Path) -> list[tuple[str, _File]]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES and path.is_file())
    if len(found) > FILES_MAX:
        raise ValueError(f"{folder} has more than {FILES_MAX} files")
    return [(_address(path.relative_to(folder)), _file(path)) for path in found]


def _address(path: Path) -> str:
    return "/" if path.name == "index.html" else f"/{path.as_posix()}"


def _file(path: Path) -> _File:
    body = path.read_bytes()
    if len(body) > FILE_BYTES_MAX:
        raise ValueError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    return _File(
        body=body,
        may_pack=path.suffix in _PACKED,
        media_type=_MEDIA_TYPES[path.suffix],
        tag=b'"%b"' % sha256(body).hex()[:32].encode(),
        keeping=_FOR_EVER if path.parent.name == "assets" else _ASK_AGAIN,
    )
