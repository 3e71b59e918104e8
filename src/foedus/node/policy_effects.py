"""What changes in a running node when its policy does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from foedus.base.limits import DAY
from foedus.node.embedders import open_embedder
from foedus.trust.policy import Assurance, Policy
from foedus.trust.standing import Rule

if TYPE_CHECKING:
    from foedus.node.composition import Node


class PolicyEffects:
    """Brings a policy into force."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._found_by = node.policy.current.knowledge

    def follow(self, policy: Policy) -> None:
        """Judge by what the policy says now."""
        self._node.agreements.forget_terms()
        self._node.crossings.is_assured = self._node.policy.counts(Assurance.DEVICE_BOUND)
        self._node.standings.rule = Rule(policy.policy.rise_days * DAY, policy.policy.rise_acts)
        self._node.withholding.terms_changed()
        self._node.retention.days = {kind: days for kind, days in structs.asdict(policy.retention).items() if days}

    def follow_knowledge(self, policy: Policy) -> None:
        """Let another embedder find packets, where another is named; who is told of our peers may have changed, too."""
        self._node.queries.routing.changed()
        if policy.knowledge != self._found_by:
            found_by = self._found_by = policy.knowledge
            self._node.embedding.change(partial(open_embedder, self._node.home, found_by), found_by.least_similarity)
