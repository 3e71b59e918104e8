"""What is patched while a simulation runs: randomness is seeded, threads are gone, and cryptography is cheap.

Ed25519 stays real, each verification of the same bytes is done once. The stand-ins for ML-DSA and X-Wing bind what
the real ones bind (key, message; ciphertext, secret), and anyone could forge them: nobody here does. Sealed frames
are readable, so that the network can be searched for what must not be there; their order and wholeness is checked.
"""

import gc
import hashlib
import os
import random
import secrets
from contextlib import ExitStack, contextmanager
from unittest import mock

from foedus.crypto import aead, ed25519, mldsa, xwing
from foedus.crypto.errors import NotAuthentic
from foedus.node import author, checking
from foedus.sync import handshake
from tests.simulation.loop import InlineExecutor

SEALED = b"sealed in a simulation"
_COUNT_BYTES = 8


def _stretch(length, *parts):
    return hashlib.shake_128(b"\0".join(parts)).digest(length)


# --- ML-DSA ------------------------------------------------------------------------------------------


def _mldsa_init(self, seed):
    self.seed = seed
    self.public = _stretch(mldsa.PUBLIC_BYTES, b"ml-dsa", seed)


def _mldsa_sign(self, message):
    return _mldsa_signature(self.public, message)


def _mldsa_signature(public, message):
    return _stretch(mldsa.SIGNATURE_BYTES, public, message)


def _mldsa_verify(public, message, signature):
    return signature == _mldsa_signature(public, message)


# --- X-Wing ------------------------------------------------------------------------------------------


def _xwing_init(self, seed):
    self.seed = seed
    self.public = _stretch(xwing.PUBLIC_BYTES, b"x-wing", seed)


def _xwing_decapsulate(self, ciphertext):
    return _stretch(xwing.SECRET_BYTES, self.public, ciphertext)


def _encapsulate(public, ephemeral_seed):
    ciphertext = _stretch(xwing.CIPHERTEXT_BYTES, b"to", public, ephemeral_seed)
    return ciphertext, _stretch(xwing.SECRET_BYTES, public, ciphertext)


# --- frames ------------------------------------------------------------------------------------------


def _seal(self, plaintext, _aad=b""):
    self.count += 1
    return SEALED + self.count.to_bytes(_COUNT_BYTES, "big") + plaintext


def _open(self, sealed, _aad=b""):
    self.count += 1
    head = SEALED + self.count.to_bytes(_COUNT_BYTES, "big")
    if not sealed.startswith(head):
        raise NotAuthentic("a frame was lost, repeated or reordered")
    return sealed[len(head) :]


def opened(data):
    """Return the frame in a message on the wire; None for a message of a handshake."""
    return data[len(SEALED) + _COUNT_BYTES :] if data.startswith(SEALED) else None


# --- Ed25519 -----------------------------------------------------------------------------------------


def _remembering():
    """Return a verification that does each (key, message, signature) once."""
    real, known = ed25519.verify, {}

    def verify(public, message, signature):
        item = (public, message, signature)
        if item not in known:
            known[item] = real(*item)
        return known[item]

    return verify


@contextmanager
def cheap_world(seed):
    """Patch the process while a simulation runs. What nodes draw and what the world draws are apart."""
    drawn = random.Random(f"nodes {seed}")
    verify = _remembering()
    patches = [
        mock.patch.object(secrets, "token_bytes", drawn.randbytes),
        mock.patch.object(os, "urandom", drawn.randbytes),
        mock.patch.object(random, "random", drawn.random),
        mock.patch.object(ed25519, "verify", verify),
        mock.patch.object(ed25519, "verify_many", lambda items: [verify(*item) for item in items]),
        mock.patch.object(mldsa.MlDsaKey, "__init__", _mldsa_init),
        mock.patch.object(mldsa.MlDsaKey, "sign", _mldsa_sign),
        mock.patch.object(mldsa, "verify", _mldsa_verify),
        mock.patch.object(xwing.XWingKey, "__init__", _xwing_init),
        mock.patch.object(xwing.XWingKey, "decapsulate", _xwing_decapsulate),
        mock.patch.object(handshake, "encapsulate", _encapsulate),
        mock.patch.object(aead.Direction, "seal", _seal),
        mock.patch.object(aead.Direction, "open", _open),
        mock.patch.object(gc, "freeze"),
        mock.patch.object(gc, "set_threshold"),
        mock.patch.object(checking, "ThreadPoolExecutor", InlineExecutor),
        mock.patch.object(author, "ThreadPoolExecutor", InlineExecutor),
    ]
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield
