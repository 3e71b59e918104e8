"""The policy in force: read when the node is built, and again when its operator says so (SIGHUP)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import structs, to_builtins

from foedus.adapters.policy_file import read_policy
from foedus.trust.policy import Assurance, Policy, meets, options
from foedus.trust.policy_text import BadPolicy, Loaded
from foedus.values.node import PolicyOptionView

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

    def options(self) -> list[PolicyOptionView]:
        """Return every option of what is in force, and the line that sets it."""
        return list(_views(self._loaded, self._path))

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


def policy_options(path: Path) -> list[PolicyOptionView]:
    """Return every option as the file says it now; raise BadPolicy."""
    return list(_views(read_policy(path), path))


def _views(loaded: Loaded, path: Path) -> Iterator[PolicyOptionView]:
    for option in options():
        line = loaded.lines.get(f"{option.section}.{option.name}")
        section: Any = getattr(loaded.policy, option.section)
        yield PolicyOptionView(
            section=option.heading,
            option=option.name,
            value=to_builtins(structs.asdict(section)[option.name]),
            source="default" if line is None else f"{path}, line {line}",
            about=option.about,
        )
