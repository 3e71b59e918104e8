"""Rows of the audit log."""

from __future__ import annotations

from foedus.sdk.values.node import View


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
