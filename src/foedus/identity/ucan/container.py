"""Containers: several tokens as one byte string (UCAN Container 0.1.0).

One byte says how the rest is written: base64, base64url or as it is, and compressed or not. All six
ways are read; written is the plain one, or base64url where the place takes text only.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Sequence

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url
from foedus.identity.ucan.errors import MalformedUcan
from foedus.identity.ucan.ipld import decode, encode

CONTAINER_BYTES_MAX = 262_144
"""Bytes of a container, before and after decompression: an invocation with its chain has at most 200,000."""
CONTAINER_TOKENS_MAX = 64
"""Tokens in a container: a few chains that share their roots."""

_KEY = "ctn-v1"
_GZIP = 16 + zlib.MAX_WBITS


def _plain(data: bytes) -> bytes:
    return data


def _base64(data: bytes) -> bytes:
    return base64.b64decode(data, validate=True)


def _base64url(data: bytes) -> bytes:
    return from_base64url(data.decode("latin-1"))


_FORMS: dict[bytes, tuple[Callable[[bytes], bytes], bool]] = {
    b"@": (_plain, False),
    b"B": (_base64, False),
    b"C": (_base64url, False),
    b"M": (_plain, True),
    b"O": (_base64, True),
    b"P": (_base64url, True),
}


def encode_container(tokens: Sequence[bytes], *, text: bool = False) -> bytes:
    """Return the container of ``tokens``, each once, in the order of their bytes; ``text``: as base64url.

    Raises MalformedUcan where it would exceed a bound.
    """
    distinct = sorted(set(tokens))
    data = encode({_KEY: list(distinct)})
    if len(distinct) > CONTAINER_TOKENS_MAX or len(data) > CONTAINER_BYTES_MAX:
        raise MalformedUcan(f"a container has at most {CONTAINER_TOKENS_MAX} tokens and {CONTAINER_BYTES_MAX} bytes")
    return b"C" + to_base64url(data).encode() if text else b"@" + data


def decode_container(data: bytes) -> list[bytes]:
    """Return the tokens of a container, not yet parsed. Raises MalformedUcan or NotCanonical."""
    form = _FORMS.get(data[:1])
    if form is None or len(data) > 1 + CONTAINER_BYTES_MAX * 4 // 3 + 4:
        raise MalformedUcan("a container begins with one of @ B C M O P and is not larger than its bound")
    unwrap, compressed = form
    try:
        content = unwrap(data[1:])
        content = _decompress(content) if compressed else content
    except (binascii.Error, NotBase64url, zlib.error):
        raise MalformedUcan("the container is not written as its first byte says") from None
    return _tokens(content)


def _decompress(data: bytes) -> bytes:
    """Decompress, but never more than the bound."""
    reader = zlib.decompressobj(_GZIP)
    content = reader.decompress(data, CONTAINER_BYTES_MAX + 1)
    if not reader.eof or reader.unused_data:
        raise MalformedUcan(f"a container is one gzip member of at most {CONTAINER_BYTES_MAX} bytes")
    return content


def _tokens(content: bytes) -> list[bytes]:
    if len(content) > CONTAINER_BYTES_MAX:
        raise MalformedUcan(f"a container has at most {CONTAINER_BYTES_MAX} bytes")
    value = decode(content)
    if not isinstance(value, dict) or value.keys() != {_KEY} or not isinstance(value[_KEY], list):
        raise MalformedUcan(f"a container is a map with a list of tokens under {_KEY}")
    tokens: list[bytes] = value[_KEY]
    if len(tokens) > CONTAINER_TOKENS_MAX or not all(isinstance(token, bytes) for token in tokens):
        raise MalformedUcan(f"a container has at most {CONTAINER_TOKENS_MAX} tokens, each a byte string")
    return tokens
