"""The program of a verifying child process, and the messages between it and its parent.

It imports nothing but libsodium's binding by ``foedus.crypto.ed25519``, so it is there in 50 ms and takes 12 MB. It
holds no secret and knows nothing of events: public keys, messages and signatures come in, one byte each goes out.

A request is a header (u32 number, u32 count of checks, u32 size of the rest), three u32 lengths for each check and
then public key, message and signature of each; the answer is number, count and size again, and VALID or INVALID for
each check in order. All big-endian. A first answer without any check says that the child is ready.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Sequence
from itertools import accumulate, chain, pairwise
from struct import Struct, pack, unpack_from

from foedus.crypto import ed25519

Check = tuple[bytes, bytes, bytes]
"""(public key, message, signature)."""

HEADER = Struct(">III")
READY = HEADER.pack(0, 0, 0)
VALID, INVALID = 0x56, 0x49
"""'V' and 'I': neither is what an empty or overwritten buffer holds."""
REQUEST_BYTES_MAX = 16 * 1_048_576
"""Both signatures of a batch of 4 MiB come to half of it; more is not sent, and a child does not read it."""
_FIELDS = 3
_LENGTH_BYTES = 4
_NICENESS = 1


def encode_request(number: int, checks: Sequence[Check]) -> bytes:
    """Return the message that asks a child to make these checks."""
    fields = tuple(chain.from_iterable(checks))
    lengths = pack(f">{len(fields)}I", *map(len, fields))
    size = len(lengths) + sum(map(len, fields))
    return b"".join((HEADER.pack(number, len(checks), size), lengths, *fields))


def decode_request(count: int, rest: bytes) -> list[Check]:
    """Return the checks of a request, given what follows its header; raise ValueError where lengths disagree."""
    begin = _LENGTH_BYTES * _FIELDS * count
    lengths = unpack_from(f">{_FIELDS * count}I", rest) if begin <= len(rest) else ()
    bounds = list(accumulate(lengths, initial=begin))
    if bounds[-1] != len(rest):
        raise ValueError("the lengths do not add up")
    fields = iter([rest[start:end] for start, end in pairwise(bounds)])
    return list(zip(fields, fields, fields, strict=True))


def encode_answer(number: int, verdicts: Sequence[bool]) -> bytes:
    """Return the message with libsodium's answers."""
    return HEADER.pack(number, len(verdicts), len(verdicts)) + bytes(
        VALID if is_valid else INVALID for is_valid in verdicts
    )


def decode_verdicts(count: int, rest: bytes) -> list[bool]:
    """Return the answers, given what follows the header; raise ValueError unless there are ``count`` clear ones."""
    if len(rest) != count or rest.count(VALID) + rest.count(INVALID) != count:
        raise ValueError("not one clear answer to each check")
    return [answer == VALID for answer in rest]


def serve(connection: socket.socket) -> None:
    """Answer requests until the parent closes the socket, or dies."""
    connection.sendall(READY)
    with connection.makefile("rb", buffering=262_144) as requests:
        while len(header := requests.read(HEADER.size)) == HEADER.size:
            number, count, size = HEADER.unpack(header)
            if size > REQUEST_BYTES_MAX:
                return
            rest = requests.read(size)
            if len(rest) != size:
                return
            connection.sendall(encode_answer(number, ed25519.verify_many(decode_request(count, rest))))


def main() -> None:
    """Run as a child: the socket is its standard input."""
    gc.disable()  # nothing here makes cycles
    os.nice(_NICENESS)
    with socket.socket(fileno=0) as connection:
        try:
            serve(connection)
        except OSError:
            return  # the parent is gone
