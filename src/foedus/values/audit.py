"""Rows of the audit log."""

from __future__ import annotations

from foedus.values.node import View


class AuditRowView(View, frozen=True):
    """A row of the audit log: its fields, with bytes as hex. ``cursor`` is its number, ``why`` its rule in words."""

    n: int
    at: int
    until: int
    actor: str
    act: str
    subject: str
    rule: str
    outcome: str
    times: int
    first: int
    last: int
    digest: str
    aggregated: bool
    hash: str
    cursor: str
    why: str = ""


class AuditPage(View, frozen=True):
    """Rows of the audit log, oldest first; ``cursor`` goes into the next ``after``."""

    rows: list[AuditRowView]
    cursor: str


class AuditReport(View, frozen=True):
    """The result of checking an audit log."""

    ok: bool
    node: str
    first: int
    rows: int
    count: int
    """How many rows there ever were."""
    head: str
    seals: int
    unsealed: int
    """Rows at the end that no seal covers yet."""
    claims: int
    """Heads that the node told, and witnesses of peers, that were compared."""
    unchecked: int
    """Of these, about rows that retention has let go."""
    problems: list[str]
    """At most 100, in words; each names its row."""
