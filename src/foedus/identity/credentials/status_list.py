"""Which credentials an issuer took back: W3C Bitstring Status List 1.0, with a bounded inflation.

Bit ``index`` counts from the left: index 0 is the highest bit of the first byte. A list has room for 131,072
credentials at least, so that who asks for it does not tell whom they ask about.
"""

from __future__ import annotations

import zlib
from typing import Any

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url
from foedus.identity.credentials.errors import StatusUnknown

STATUS_BITS_MIN = 131_072
"""Bits of a list at least (section 3.2): a shorter one would tell who is asked about."""
STATUS_BITS_MAX = 1 << 20
"""Bits of a list at most: 128 KiB inflated; eight times what foedus itself writes."""
_BYTES_MAX = STATUS_BITS_MAX // 8
_PREFIX = "u"  # multibase: base64url without padding
_GZIP = 16 + zlib.MAX_WBITS
_LEVEL = 9


def empty_list() -> bytes:
    """Return a list in which nothing is revoked."""
    return bytes(STATUS_BITS_MIN // 8)


def is_set(bits: bytes, index: int) -> bool:
    """Tell whether the bit at ``index`` is 1; raise StatusUnknown where the list ends before it."""
    if not 0 <= index < len(bits) * 8:
        raise StatusUnknown(f"the status list has {len(bits) * 8} entries, and none numbered {index}")
    return bool(bits[index // 8] >> (7 - index % 8) & 1)


def with_bit(bits: bytes, index: int) -> bytes:
    """Return ``bits`` with the one at ``index`` set; raise StatusUnknown where the list ends before it."""
    if is_set(bits, index):
        return bits
    changed = bytearray(bits)
    changed[index // 8] |= 0x80 >> index % 8
    return bytes(changed)


def keeps(before: bytes, after: bytes) -> bool:
    """Tell whether every bit of ``before`` stands in ``after``: what was revoked stays revoked."""
    return len(before) == len(after) and all(one & other == one for one, other in zip(before, after, strict=True))


def encode_list(bits: bytes) -> str:
    """Return the multibase base64url of the gzip of ``bits``; equal bits give equal text."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return _PREFIX + to_base64url(deflate.compress(bits) + deflate.flush())


def decode_list(text: Any) -> bytes:
    """Return the bits; raise StatusUnknown. Never inflates more than STATUS_BITS_MAX bits and a byte."""
    if not isinstance(text, str) or not text.startswith(_PREFIX):
        raise StatusUnknown("a status list is multibase base64url", code="bad_status_list")
    try:
        bits = _inflated(from_base64url(text[1:]))
    except (NotBase64url, zlib.error):
        raise StatusUnknown("a status list is gzip in base64url", code="bad_status_list") from None
    if len(bits) * 8 < STATUS_BITS_MIN:
        raise StatusUnknown(f"a status list has at least {STATUS_BITS_MIN} entries", code="bad_status_list")
    return bits


def _inflated(packed: bytes) -> bytes:
    """Inflate one gzip member, asking zlib for no more than the bound: a bomb stops there."""
    inflate = zlib.decompressobj(_GZIP)
    bits = inflate.decompress(packed, _BYTES_MAX + 1)
    if len(bits) > _BYTES_MAX:
        raise StatusUnknown(f"a status list has at most {STATUS_BITS_MAX} entries", code="status_list_too_large")
    if not inflate.eof or inflate.unused_data:
        raise StatusUnknown("the gzip of a status list is cut short or has more behind it", code="bad_status_list")
    return bits
