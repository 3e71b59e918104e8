"""A home folder that was damaged or opened up: a clear word with a remedy, and never a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from foedus.node.home import Home, create_home

FOEDUS = str(Path(sys.executable).parent / "foedus")
GARBAGE = bytes(range(256)) * 40
UP = ("up", "--port", "0")
VERIFY = ("log", "verify")
STATUS = ("status",)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("homes") / "home"
    create_home(Home(path), "alice")
    return path


def run(home, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOEDUS")}
    try:
        done = subprocess.run(
            [FOEDUS, *arguments, "--home", str(home)],
            capture_output=True,
            timeout=120,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"it started all the same: {error.stdout} {error.stderr}") from None
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said, said
    return done.returncode, said


def find(home, name):
    return next(path for path in sorted(home.rglob("*")) if path.name == name)


def widen(path):
    path.chmod(0o644)


def widen_folder(path):
    path.parent.chmod(0o755)


def truncate(path):
    path.write_bytes(path.read_bytes()[:10])


def spoil(path):
    path.write_bytes(GARBAGE)


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def make_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("name", "harm", "command"),
    [
        ("node.keys", widen, UP),
        ("node.keys", widen_folder, UP),
        ("node.keys", truncate, UP),
        ("node.keys", remove, UP),
        ("node.keys", make_folder, UP),
        ("token", empty, STATUS),
        ("token", remove, STATUS),
        ("DATABASE", spoil, UP),
        ("DATABASE", empty, UP),
        ("DATABASE", make_folder, UP),
        ("DATABASE", spoil, VERIFY),
        ("DATABASE", spoil, ("doctor",)),
        ("node.keys", truncate, ("key", "list")),
    ],
)
def test_a_damaged_file_is_named_with_its_remedy(tmp_path, whole, name, harm, command):
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    database = Home(home).database
    harm(database if name == "DATABASE" else find(home, name))
    code, said = run(home, *command)
    assert code != 0
    assert said.strip()


@pytest.mark.parametrize("content", [GARBAGE, b'{"url": 5}', b'{"url": "file:///etc/passwd", "node": "x"}'])
def test_garbage_where_a_running_node_would_stand_is_not_believed(tmp_path, whole, content):
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    (home / "node.json").write_bytes(content)
    code, said = run(home, *STATUS)
    assert code != 0
    assert "etc/passwd" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("room", "read", "\x1b[31m", "--limit", "-1"),
        ("peer", "accept", "a" * 5_000),
        ("say", "room", "\udcff"),
        ("up", "--host", "no such host.", "--port", "0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_in_words(tmp_path, whole, arguments):
    home = tmp_path / "home"
    shutil.copytree(whole, home)
    code, said = run(home, *arguments)
    assert code != 0
    assert "\x1b[31m" not in said
