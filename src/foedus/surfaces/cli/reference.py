"""Write docs/cli.md from the commands' own help: `python -m foedus.surfaces.cli.reference > docs/cli.md`."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

from cyclopts import App
from rich.console import Console

from foedus.surfaces.cli.main import app

_WIDTH = 100
_INTRODUCTION = """\
# The command line

Made from the commands' help by `python -m foedus.surfaces.cli.reference > docs/cli.md`; a test holds it current.

Data goes to stdout, words and prompts to stderr. With `--json` stdout holds JSON whose fields are those of the
local API (`/schema`), one value a line, and an error is `{"error": {"code", "message", "remedy"}}`. Exit codes: 0 done,
1 failed, 2 misused (an unknown option, or a question that nobody is there to answer), 130 interrupted.

| variable | meaning |
|---|---|
| `FOEDUS_HOME` | the node's folder, where `--home` is not given; else `~/.foedus` |
| `FOEDUS_DEVICE` | your device folder; else `~/.foedus-device` |
| `FOEDUS_TOKEN`, `FOEDUS_URL` | ask as a participant, not as the operator; the address alone: as paired |
| `FOEDUS_PASSPHRASE` | the passphrase of your device keys |
| `FOEDUS_RECOVERY_WORDS` | the 24 words, for `foedus key recover` |
| `NO_COLOR` | no colour on a screen either |
"""


def reference() -> str:
    """Return the page."""
    return "\n".join([_INTRODUCTION, *_sections(app, ())])


def _sections(tree: App, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the section of a command, then of those below it."""
    yield f"## {' '.join(('foedus', *path))}\n\n```text\n{_help(path)}\n```\n"
    for name in tree:
        if not name.startswith("-"):
            yield from _sections(tree[name], (*path, name))


def _help(path: tuple[str, ...]) -> str:
    written = io.StringIO()
    console = Console(file=written, width=_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    app([*path, "--help"], console=console, exit_on_error=False, result_action="return_value")
    return "\n".join(line.rstrip() for line in written.getvalue().strip("\n").split("\n"))


if __name__ == "__main__":
    sys.stdout.write(reference())
