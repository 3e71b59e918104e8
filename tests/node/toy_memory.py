"""Another memory system behind a node: a dictionary. It shows that the substrate port is enough."""

import asyncio

from foedus.base.cbor import decode
from foedus.base.clock import Hlc
from foedus.base.ids import sha256
from foedus.query.port import Finding, Findings


class ToyMemory:
    """Notes with a tier that one must have to read them; '' is this node itself. ``delay_s``, ``after``: it is slow."""

    def __init__(self, *notes, tiers=("", "CORE"), delay_s=0.0, after=None):
        self.notes = list(notes)
        self.tiers = tiers
        self.delay_s = delay_s
        self.after = after
        self.asked = []
        self.applied = {}
        self.failing = 0

    async def search(self, text, wanted):
        self.asked.append(wanted.reader)
        await asyncio.sleep(self.delay_s)
        if self.after is not None:
            await self.after.wait()
        words = set(text.casefold().split())
        if wanted.reader.tier not in self.tiers:
            return Findings(())
        found = []
        for note in self.notes:
            shared = len(words & set(note.casefold().split()))
            if shared:
                score = shared * 1_000_000 // len(words)
                found.append(Finding(sha256(note.encode()), "note", score, Hlc(1, 0), {"text": note}))
        found.sort(key=lambda item: (-item.score, item.content))
        return Findings(found[: wanted.limit], partial=len(found) > wanted.limit)

    async def causal(self, _event, _wanted):
        return Findings(())

    async def topology(self, _wanted):
        return Findings(())

    async def apply(self, changes):
        if self.failing:
            self.failing -= 1
            raise OSError("the disk of the memory is full")
        self.applied |= {change.content: change for change in changes}

    def said(self):
        """Return the texts that it was told and that still count."""
        known = [change for change in self.applied.values() if change.kind == "message.text" and change.body]
        return [decode(change.body)["text"] for change in known]
