"""Which records of a node are in force: a function of the set of its records, never of their arrival.

Records form a tree. Where one record has several successors, keys were stolen or a backup was
restored unawares, and every node must answer alike (docs/protocol.md, section 2):

| successors of one record                                   | followed                | the others |
|---|---|---|
| one                                                        | it                      |            |
| some by recovery                                           | of these the smallest id | void      |
| none by recovery, what follows exactly one holds a recovery | that one               | void       |
| none by recovery, any other case                           | none: contested         |            |

The third row lets a recovery settle the branches that lie *before* it, too: otherwise whoever finds
a key of years ago could contest the node at that old record, again and again. It is as safe as the
second, since no record but one by recovery may change the recovery keys: who signed the later
recovery could have signed one at the branch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple


class Link(NamedTuple):
    """What the rules look at: the record before (None at record 0), and whether recovery keys signed it."""

    prev: bytes | None
    by_recovery: bool


class Standing(NamedTuple):
    """What is in force. ``path``: epochs from record 0 to the newest honoured one.

    ``void``: those on branches that a recovery voided. ``contested``: a branch at the end of ``path``
    waits for a recovery.
    """

    path: tuple[bytes, ...]
    void: frozenset[bytes]
    contested: bool

    @property
    def newest(self) -> bytes:
        """The epoch in force; where contested, the last before the branch."""
        return self.path[-1]


def judge(root: bytes, links: Mapping[bytes, Link]) -> Standing:
    """Return what is in force among ``links`` (epoch → link), a tree whose only record 0 is ``root``.

    Linear in the number of records for any number of branches that a directory holds.
    """
    successors = _successors(links)
    endorsed = _endorsed(links)
    void: list[bytes] = []
    for siblings in successors.values():
        followed = _followed(siblings, links, endorsed)
        if followed in endorsed:
            void.extend(sibling for sibling in siblings if sibling != followed)
    path = [root]
    while (following := _followed(successors.get(path[-1], []), links, endorsed)) is not None:
        path.append(following)
    return Standing(tuple(path), frozenset(_with_descendants(void, successors)), contested=path[-1] in successors)


def _followed(siblings: list[bytes], links: Mapping[bytes, Link], endorsed: set[bytes]) -> bytes | None:
    """Apply the table above."""
    if recoveries := [sibling for sibling in siblings if links[sibling].by_recovery]:
        return min(recoveries)
    candidates = siblings if len(siblings) == 1 else [sibling for sibling in siblings if sibling in endorsed]
    return candidates[0] if len(candidates) == 1 else None


def _endorsed(links: Mapping[bytes, Link]) -> set[bytes]:
    """Return the records that are by recovery or have one by recovery after them."""
    endorsed: set[bytes] = set()
    for epoch, link in links.items():
        walk = epoch if link.by_recovery else None
        while walk is not None and walk not in endorsed:
            endorsed.add(walk)
            walk = links[walk].prev
    return endorsed


def _successors(links: Mapping[bytes, Link]) -> dict[bytes, list[bytes]]:
    successors: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for epoch, link in links.items():
        if link.prev is not None:
            successors[link.prev].append(epoch)
    return dict(successors)


def _with_descendants(roots: list[bytes], successors: Mapping[bytes, list[bytes]]) -> set[bytes]:
    found: set[bytes] = set()
    waiting = list(roots)
    while waiting:
        epoch = waiting.pop()
        if epoch not in found:
            found.add(epoch)
            waiting.extend(successors.get(epoch, ()))
    return found
