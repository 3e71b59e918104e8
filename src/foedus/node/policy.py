"""The policy in force: read when the node is built, and again when its operator says so (SIGHUP)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from foedus.adapters.policy_file import read_policy
from foedus.trust.policy import Assurance, Policy, meets
from foedus.trust.policy_text import BadPolicy

log = logging.getLogger("foedus.policy")


class PolicyBook:
    """What HOME/foedus.toml says. Others read ``current`` each time they decide, and keep no copy.

    ``on_changed`` hears each new policy. ``trouble``: why the file is not in force, while an older one still is.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; raise BadPolicy: a node does not run on terms that nobody wrote."""
        self.trouble: BadPolicy | None = None
        self.on_changed: list[Callable[[Policy], None]] = []
        self._path = path
        self._loaded = read_policy(path)

    @property
    def current(self) -> Policy:
        """The policy in force."""
        return self._loaded.policy

    @property
    def min_assurance(self) -> Assurance:
        """Below it, human signers and participants do not count."""
        return self.current.policy.min_assurance

    def counts(self, assurance: Assurance | None) -> bool:
        """Tell whether a signer of this assurance counts here."""
        return meets(assurance, self.min_assurance)

    def reload(self) -> bool:
        """Read the file again; where it is wrong keep what is in force, say so, and return False. Never raises it."""
        try:
            self._loaded = read_policy(self._path)
        except BadPolicy as error:
            self.trouble = error
            log.error("the policy in force stays: %s; %s", error, error.remedy)  # noqa: TRY400  # a user's mistake
            return False
        self.trouble = None
        log.warning("the policy was read again from %s", self._path)
        for tell in self.on_changed:
            tell(self.current)
        return True
