"""Which words of a question are worth looking for: those that many packets hold cost most and tell least apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

import apsw

from foedus.adapters.sqlite_bulk import fetch

TOKENIZER = ("porter", "unicode61", "remove_diacritics", "2")
"""Word stems, without accents or case."""
COMMON_MIN = 2_000
COMMON_PART = 50
"""A word in more packets than either (a number, and one in so many) is common. At 10⁵ packets a common one may cost
100 ms, all of the others together some ms; its weight in BM25 is less than half of theirs."""
KEPT = 2
"""Words that are looked for where all are common: the rarest."""
KNOWN_MAX = 4_096
"""Words whose number is remembered: counting a common one reads its whole list."""


class Frequencies:
    """Counts the packets that hold a word, in the table ``words`` of a connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        fetch(connection, "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, 'words', 'row')")
        self._tokenize = connection.fts5_tokenizer(TOKENIZER[0], list(TOKENIZER[1:]))
        self._known: dict[str, int] = {}
        self._packets = 0

    def telling(self, terms: Sequence[str]) -> list[str]:
        """Return the words that tell packets apart; the rarest where all are common."""
        packets = self._numbered()
        common = max(COMMON_MIN, packets // COMMON_PART)
        if packets <= common:
            return list(terms)
        counts = {term: self._count(term) for term in terms}
        return [term for term in terms if counts[term] <= common] or sorted(counts, key=counts.__getitem__)[:KEPT]

    def rarities(self, terms: Sequence[str]) -> dict[str, float]:
        """Return how much each word tells: the logarithm of how few packets hold it."""
        packets = self._numbered()
        return {term: log((packets + 1) / (min(self._count(term), packets) + 0.5)) for term in terms}

    def _numbered(self) -> int:
        """Return how many packets there are, nearly; where they are many more or fewer by now, words count anew."""
        ((packets,),) = fetch(self._connection, "SELECT coalesce(max(number), 0) FROM subjects")
        if abs(packets - self._packets) > self._packets // 8 or len(self._known) >= KNOWN_MAX:
            self._known.clear()
            self._packets = packets
        return int(packets)

    def _count(self, term: str) -> int:
        """Return how many packets hold the rarest part of a word."""
        found: Any = self._tokenize(
            term.encode(), apsw.FTS5_TOKENIZE_QUERY, None, include_offsets=False, include_colocated=False
        )
        return min(map(self._count_token, found), default=0)

    def _count_token(self, token: str) -> int:
        if token not in self._known:
            rows = fetch(self._connection, "SELECT doc FROM temp.vocabulary WHERE term = ?", (token,))
            self._known[token] = rows[0][0] if rows else 0
        return self._known[token]
