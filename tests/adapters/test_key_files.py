import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.adapters import key_files
from foedus.adapters.key_files import (
    DamagedKeyFile,
    KeyFileMissing,
    RightsTooWide,
    check_rights,
    discard_staged_keys,
    export_hex,
    import_hex,
    keys_from_seeds,
    promote_staged_keys,
    read_node_keys,
    read_private,
    read_staged_keys,
    stage_node_keys,
    write_node_keys,
    write_private,
    write_public,
)
from foedus.base import cbor
from foedus.base.errors import Unavailable, UsageError

OLD = keys_from_seeds(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
NEW = keys_from_seeds(b"\x04" * 32, b"\x05" * 32, b"\x06" * 32)


def seeds(keys):
    return keys.ed25519.seed, keys.mldsa65.seed, keys.xwing.seed


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "home of ada"  # a blank in it: remedies must quote
    home.mkdir(mode=0o700)
    return home / "keys"


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_keys_come_back(folder):
    write_node_keys(folder, OLD)
    assert seeds(read_node_keys(folder)) == seeds(OLD)
    write_node_keys(folder, NEW)
    assert seeds(read_node_keys(folder)) == seeds(NEW)
    assert sorted(path.name for path in folder.iterdir()) == ["ed25519.pub", "mldsa65.pub", "node.keys", "xwing.pub"]


def test_public_halves_are_hex_for_people(folder):
    write_node_keys(folder, OLD)
    for name, key in (("ed25519", OLD.ed25519), ("mldsa65", OLD.mldsa65), ("xwing", OLD.xwing)):
        assert (folder / f"{name}.pub").read_text() == key.public.hex() + "\n"


def test_rights_do_not_depend_on_the_umask(tmp_path, umask):
    if umask == 0o777:
        (tmp_path / "keys").mkdir()
        (tmp_path / "keys").chmod(0o700)
    write_node_keys(tmp_path / "keys", OLD)
    assert mode(tmp_path / "keys") == 0o700
    assert mode(tmp_path / "keys" / "node.keys") == 0o600
    assert mode(tmp_path / "keys" / "xwing.pub") == 0o644


def test_the_file_is_one_canonical_map(folder):
    write_node_keys(folder, OLD)
    assert cbor.decode((folder / "node.keys").read_bytes()) == dict(
        zip(("ed25519", "mldsa65", "xwing"), seeds(OLD), strict=True)
    )


def test_no_secret_is_shown():
    assert not any(seed.hex() in repr(OLD) for seed in seeds(OLD))
    assert not any(repr(seed)[2:-1] in repr(OLD) for seed in seeds(OLD))


def test_a_node_without_keys_is_told_to_init(folder):
    with pytest.raises(KeyFileMissing) as caught:
        read_node_keys(folder)
    assert caught.value.code == "key_file_missing"
    assert "24 words" in caught.value.remedy


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o660, 0o601, 0o622, 0o644])
def test_a_file_that_others_can_reach_is_refused(folder, rights):
    write_node_keys(folder, OLD)
    path = folder / "node.keys"
    path.chmod(rights)
    with pytest.raises(RightsTooWide) as caught:
        read_node_keys(folder)
    assert caught.value.code == "rights_too_wide"
    assert caught.value.remedy == f"run `chmod 600 '{path}'`"
    mend(caught.value.remedy)
    assert seeds(read_node_keys(folder)) == seeds(OLD)


@pytest.mark.parametrize("rights", [0o750, 0o705, 0o711, 0o755, 0o777])
def test_a_folder_that_others_can_enter_is_refused(folder, rights):
    write_node_keys(folder, OLD)
    folder.chmod(rights)
    for use in (read_node_keys, lambda folder: write_node_keys(folder, NEW)):
        with pytest.raises(RightsTooWide) as caught:
            use(folder)
        assert caught.value.remedy == f"run `chmod 700 '{folder}'`"
    mend(caught.value.remedy)
    assert seeds(read_node_keys(folder)) == seeds(OLD)


def mend(remedy):
    """Run the command between the backticks, as its reader would."""
    subprocess.run(remedy.split("`")[1], shell=True, check=True)  # noqa: S602 - the remedy is a shell command


def test_narrower_rights_than_asked_are_welcome(folder):
    write_node_keys(folder, OLD)
    (folder / "node.keys").chmod(0o400)
    assert seeds(read_node_keys(folder)) == seeds(OLD)


def test_check_rights_finds_nothing_wrong_with_what_foedus_writes(folder):
    write_node_keys(folder, OLD)
    stage_node_keys(folder, NEW)
    write_private(folder.parent / "token", b"token")
    assert check_rights(folder.parent) == []


def test_check_rights_names_every_path_and_its_cure(folder):
    home = folder.parent
    write_node_keys(folder, OLD)
    write_private(home / "token", b"token")
    for path, rights in ((home, 0o755), (folder, 0o750), (folder / "node.keys", 0o644), (home / "token", 0o640)):
        path.chmod(rights)
    problems = check_rights(home)
    assert [problem.split("`")[1] for problem in problems] == [
        f"chmod 700 '{home}'",
        f"chmod 700 '{folder}'",
        f"chmod 600 '{folder}/node.keys'",
        f"chmod 600 '{home}/token'",
    ]
    assert "(rights 0644)" in problems[2]
    for problem in problems:
        mend(problem)
    assert check_rights(home) == []


def test_check_rights_of_a_home_that_is_not_there(tmp_path):
    assert check_rights(tmp_path / "nowhere") == []


# --- damage ---------------------------------------------------------------------------------------


def test_every_truncation_is_told(folder):
    write_node_keys(folder, OLD)
    path = folder / "node.keys"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedKeyFile) as caught:
            read_node_keys(folder)
        assert caught.value.code == "damaged_key_file"


GARBLED = {
    "text": b"hello",
    "more bytes than a key file has": bytes(100_000),
    "another map": cbor.encode({"ed25519": bytes(32)}),
    "one key more": cbor.encode({"ed25519": bytes(32), "mldsa65": bytes(32), "xwing": bytes(32), "zzz": 1}),
    "a short seed": cbor.encode({"ed25519": bytes(31), "mldsa65": bytes(32), "xwing": bytes(32)}),
    "text for a seed": cbor.encode({"ed25519": "a" * 32, "mldsa65": bytes(32), "xwing": bytes(32)}),
}


@pytest.mark.parametrize("name", GARBLED)
def test_garbled_files_are_told(folder, name):
    write_node_keys(folder, OLD)
    (folder / "node.keys").write_bytes(GARBLED[name])
    with pytest.raises(DamagedKeyFile, match=r"node\.keys") as caught:
        read_node_keys(folder)
    assert isinstance(caught.value, UsageError)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# --- all or nothing -------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Neither an OSError nor an Exception: nothing may catch and survive it."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_power_cut_before_the_rename_leaves_the_old_keys(folder, monkeypatch, step):
    write_node_keys(folder, OLD)

    def cut(*_args, **_kwargs):
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(os, step, cut)
        with pytest.raises(PowerCut):
            write_node_keys(folder, NEW)
    assert seeds(read_node_keys(folder)) == seeds(OLD)
    assert not list(folder.glob(".*"))


def test_a_power_cut_after_the_rename_leaves_the_new_keys_whole(folder, monkeypatch):
    write_node_keys(folder, OLD)
    real, calls = os.replace, []

    def cut_after_the_first(source, target):
        real(source, target)
        calls.append(target)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut_after_the_first)
        patch.setattr(Path, "unlink", lambda *_: None)  # a power cut cleans nothing up
        with pytest.raises(PowerCut):
            write_node_keys(folder, NEW)
    assert len(calls) == 1
    assert seeds(read_node_keys(folder)) == seeds(NEW)
    assert (folder / "ed25519.pub").read_text().strip() == OLD.ed25519.public.hex()
    write_node_keys(folder, NEW)
    assert (folder / "ed25519.pub").read_text().strip() == NEW.ed25519.public.hex()


KILLED = """
import os, pathlib, sys
from foedus.adapters.key_files import keys_from_seeds, write_node_keys
os.replace = lambda *_: os._exit(9)
write_node_keys(pathlib.Path(sys.argv[1]), keys_from_seeds(bytes(32), bytes(32), bytes(32)))
"""


def test_a_killed_process_leaves_the_old_keys_and_a_private_remnant(folder):
    write_node_keys(folder, OLD)
    source = str(Path(key_files.__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], env={**os.environ, "PYTHONPATH": source}, check=False
    )
    assert killed.returncode == 9
    assert seeds(read_node_keys(folder)) == seeds(OLD)
    remnants = [path for path in folder.iterdir() if path.name.startswith(".")]
    assert [mode(path) for path in remnants] == [0o600]
    write_node_keys(folder, NEW)
    assert seeds(read_node_keys(folder)) == seeds(NEW)


def test_a_disk_that_fails_is_the_worlds_fault(folder, monkeypatch):
    write_node_keys(folder, OLD)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left") as caught:
        write_node_keys(folder, NEW)
    assert caught.value.code == "key_storage"
    assert seeds(read_node_keys(folder)) == seeds(OLD)


def test_the_file_and_its_folder_are_synced_around_the_rename(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    steps = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor):
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_sync(descriptor)

    def replace(source, target):
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    write_private(folder / "secret", b"data")
    assert steps == ["file", "rename", "folder"]


def test_a_reader_beside_a_writer_sees_old_or_new(folder):
    write_private(folder / "secret", b"a" * 4096)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(read_private(folder / "secret"))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        write_private(folder / "secret", (b"b" if turn % 2 else b"a") * 4096)
    done.set()
    reader.join()
    assert seen <= {b"a" * 4096, b"b" * 4096}


def test_a_private_file_never_follows_a_planted_link(folder, tmp_path):
    folder.mkdir(mode=0o700)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (folder / "secret").symlink_to(elsewhere)
    write_private(folder / "secret", b"data")
    assert elsewhere.read_bytes() == b"untouched"
    assert not (folder / "secret").is_symlink()


def test_a_public_file_needs_its_folder(tmp_path):
    with pytest.raises(KeyFileMissing):
        write_public(tmp_path / "nowhere" / "x.pub", b"data")


# --- rotation -------------------------------------------------------------------------------------


def test_staged_keys_are_not_in_force_until_promoted(folder):
    write_node_keys(folder, OLD)
    assert read_staged_keys(folder) is None
    stage_node_keys(folder, NEW)
    assert seeds(read_node_keys(folder)) == seeds(OLD)
    assert seeds(read_staged_keys(folder)) == seeds(NEW)
    assert seeds(promote_staged_keys(folder)) == seeds(NEW)
    assert seeds(read_node_keys(folder)) == seeds(NEW)
    assert read_staged_keys(folder) is None
    assert (folder / "xwing.pub").read_text().strip() == NEW.xwing.public.hex()


def test_a_crash_in_the_middle_of_a_promotion_can_be_taken_up(folder, monkeypatch):
    write_node_keys(folder, OLD)
    stage_node_keys(folder, NEW)

    def cut(*_):
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(PowerCut):
            promote_staged_keys(folder)
    assert seeds(read_node_keys(folder)) == seeds(OLD)
    assert seeds(promote_staged_keys(folder)) == seeds(NEW)


def test_staged_keys_can_be_discarded(folder):
    discard_staged_keys(folder)
    write_node_keys(folder, OLD)
    stage_node_keys(folder, NEW)
    discard_staged_keys(folder)
    assert read_staged_keys(folder) is None
    assert seeds(read_node_keys(folder)) == seeds(OLD)


def test_a_promotion_without_staged_keys_changes_nothing(folder):
    write_node_keys(folder, OLD)
    with pytest.raises(KeyFileMissing):
        promote_staged_keys(folder)
    assert seeds(read_node_keys(folder)) == seeds(OLD)


def test_damaged_staged_keys_are_never_promoted(folder):
    write_node_keys(folder, OLD)
    write_private(folder / "staged.keys", b"half")
    with pytest.raises(DamagedKeyFile):
        promote_staged_keys(folder)
    assert seeds(read_node_keys(folder)) == seeds(OLD)


# --- hex ------------------------------------------------------------------------------------------


def test_an_export_comes_back():
    text = export_hex(OLD)
    assert text.splitlines()[0] == "ed25519 " + "01" * 32
    assert seeds(import_hex(text)) == seeds(OLD)
    assert seeds(import_hex("\n ".join(reversed(text.splitlines())))) == seeds(OLD)


BAD_EXPORTS = {
    "nothing": "",
    "two keys": "ed25519 " + "01" * 32 + "\nmldsa65 " + "02" * 32,
    "a short seed": export_hex(OLD).replace("01" * 32, "01" * 31),
    "no hex": export_hex(OLD).replace("01" * 32, "xy" * 32),
    "another name": export_hex(OLD).replace("xwing", "xring"),
    "a word more": export_hex(OLD) + " x",
}


@pytest.mark.parametrize("name", BAD_EXPORTS)
def test_a_bad_export_is_refused_without_showing_it(name):
    with pytest.raises(DamagedKeyFile) as caught:
        import_hex(BAD_EXPORTS[name])
    assert "0101" not in str(caught.value) + caught.value.remedy


@given(st.text(max_size=60))
def test_any_text_is_answered(text):
    with pytest.raises(DamagedKeyFile):
        import_hex(text)
