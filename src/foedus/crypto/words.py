"""A 32-byte seed as 24 words that a person can write down (BIP-39, English)."""

from __future__ import annotations

import unicodedata
from functools import cache

from mnemonic import Mnemonic

from foedus.crypto.errors import BadRecoveryWords

SEED_BYTES = 32
WORDS = 24


def to_words(seed: bytes) -> list[str]:
    """Return the 24 words of ``seed`` (32 bytes, ValueError otherwise); the last holds a checksum of 8 bits."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"24 words hold {SEED_BYTES} bytes, not {len(seed)}")
    return _english().to_mnemonic(seed).split(" ")


def from_words(text: str) -> bytes:
    """Return the seed (32 bytes) of 24 words, in any case, with any white space between.

    Raises BadRecoveryWords, which names by place and spelling each word that is not in the list.
    """
    words = unicodedata.normalize("NFKD", text).lower().split()
    if len(words) != WORDS:
        raise BadRecoveryWords(f"there are {len(words)} words, and {WORDS} are needed")
    known = set(_english().wordlist)
    unknown = [f"word {place} ({word[:20]})" for place, word in enumerate(words, 1) if word not in known]
    if unknown:
        raise BadRecoveryWords(
            f"not in the list of recovery words: {', '.join(unknown)}",
            remedy="correct the spelling; the first four letters tell each word apart",
        )
    return _entropy(words)


def _entropy(words: list[str]) -> bytes:
    """Turn 24 known words into their 32 bytes, or raise BadRecoveryWords where the checksum is wrong."""
    try:
        return bytes(_english().to_entropy(words))
    except ValueError:
        raise BadRecoveryWords(
            "every word is in the list, but together they are not right: one was swapped or misread",
            remedy="compare each word, and their order, with what you wrote down",
        ) from None


@cache
def _english() -> Mnemonic:
    """Load the word list, once. It comes with the package: the one file that crypto/ ever reads."""
    return Mnemonic("english")
