"""What each node holds to be agreed, watched all along."""

from itertools import pairwise


class Versions:
    """What each node held to be in force: on one base there is one next version, and no node goes back to an older."""

    def __init__(self, world):
        self._world = world
        self._next = {}
        self._newest = {}
        self.changed = {}
        """(life, node) → when another version came in force there."""

    def watch(self, life):
        """Look whenever the doors of a node do."""
        agreements = life.node.agreements
        look = agreements.look

        def looked(node):
            before = agreements._seen.get(node)
            look(node)
            if agreements._seen.get(node) != before:
                self.changed[life, node] = self._world.loop.time()
            line = agreements.line(node)
            if line is not None and not life.dead:
                self._saw(life.place, node, line)

        agreements.look = looked

    def _saw(self, place, node, line):
        versions = line.standing.versions
        world = self._world
        them = world.place_of(node)
        if any(it is None or it.is_doubtful for it in (world.place_of(place.node), them)):
            return  # what a backup or a copy brought back is settled by its epoch
        for base, following in pairwise(versions):
            if self._next.setdefault(base.id, following.id) != following.id:
                world.failed(f"{place} and {them} have had two versions in force on {base.id.hex()[:8]}")
        before = self._newest.get((place, node))
        if before is not None and before[0] == versions[0].id and before[1] > len(versions):
            world.failed(f"{place} went back from version {before[1]} to {len(versions)} with {them}")
        self._newest[place, node] = (versions[0].id, len(versions))
