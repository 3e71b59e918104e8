import json
import stat

import pytest

from foedus.adapters.device_folder import DeviceFolder
from foedus.adapters.key_files import DamagedKeyFile, RightsTooWide
from foedus.base.errors import NotFound, UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.errors import PassphraseRequired, WrongPassphrase
from foedus.crypto.sealed import LEAST

NODE = b"\x0e" * 32
SEED = b"\xab" * 32
PUBLIC = Ed25519Key(SEED).public


@pytest.fixture
def devices(tmp_path):
    return DeviceFolder(tmp_path / "devices", cost=LEAST)


@pytest.fixture
def with_ada(devices):
    devices.add("ada", "did:key:zAda", NODE, "human", SEED, "correct horse")
    return devices


def test_a_humans_key_opens_by_name_and_by_did(with_ada):
    for name in ("ada", "did:key:zAda"):
        assert with_ada.open(name, "correct horse").seed == SEED


def test_the_list_says_what_each_key_is_for(with_ada):
    added = with_ada.add("robot", "did:key:zRobot", NODE, "agent", bytes(32), None)
    ada, robot = with_ada.list()
    assert robot == added
    assert (ada.name, ada.did, ada.node, ada.kind, ada.sealed, ada.public) == (
        "ada",
        "did:key:zAda",
        NODE,
        "human",
        True,
        PUBLIC,
    )
    assert (robot.name, robot.kind, robot.sealed) == ("robot", "agent", False)


def test_another_process_sees_the_same(with_ada):
    again = DeviceFolder(with_ada.path)
    assert again.list() == with_ada.list()
    assert again.open("ada", "correct horse").public == PUBLIC


def test_an_absent_folder_has_no_keys(devices):
    assert devices.list() == []


@pytest.mark.parametrize("passphrase", [None, ""])
def test_a_humans_key_must_be_sealed(devices, passphrase):
    with pytest.raises(PassphraseRequired) as caught:
        devices.add("ada", "did:key:zAda", NODE, "human", SEED, passphrase)
    assert caught.value.code == "passphrase_required"
    assert devices.list() == []


@pytest.mark.parametrize("passphrase", [None, ""])
def test_a_sealed_key_does_not_open_without_a_passphrase(with_ada, passphrase):
    with pytest.raises(PassphraseRequired):
        with_ada.open("ada", passphrase)


def test_a_wrong_passphrase_is_told(with_ada):
    with pytest.raises(WrongPassphrase) as caught:
        with_ada.open("ada", "wrong horse")
    assert caught.value.code == "wrong_passphrase"


def test_an_agents_key_may_lie_open_or_sealed(devices):
    devices.add("open", "did:key:zOpen", NODE, "agent", bytes(32), None)
    devices.add("sealed", "did:key:zSealed", NODE, "agent", SEED, "correct horse")
    assert devices.open("open", None).seed == bytes(32)
    assert devices.open("open", "not needed").seed == bytes(32)
    assert devices.open("sealed", "correct horse").seed == SEED


def key_file(devices):
    (path,) = devices.path.glob("*.json")
    return path


def test_the_file_is_private_and_does_not_hold_the_seed(with_ada):
    path = key_file(with_ada)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(with_ada.path.stat().st_mode) == 0o700
    assert SEED.hex() not in path.read_text()
    assert json.loads(path.read_text())["public"] == PUBLIC.hex()


def test_salt_and_nonce_are_fresh_each_time(tmp_path):
    secrets = set()
    for turn in range(4):
        devices = DeviceFolder(tmp_path / str(turn), cost=LEAST)
        devices.add("ada", "did:key:zAda", NODE, "human", SEED, "correct horse")
        secrets.add(json.loads(key_file(devices).read_text())["secret"][42:98])
    assert len(secrets) == 4


@pytest.mark.parametrize(("name", "seed"), [("ada", bytes(32)), ("other", SEED)])
def test_a_name_or_key_in_use_is_refused(with_ada, name, seed):
    before = key_file(with_ada).read_bytes()
    with pytest.raises(UsageError) as caught:
        with_ada.add(name, "did:key:zOther", NODE, "agent", seed, None)
    assert caught.value.code == "device_exists"
    assert key_file(with_ada).read_bytes() == before


@pytest.mark.parametrize("name", ["", "x" * 129, "two\nlines", "did:key:zAda", "bell\a"])
def test_names_that_a_list_cannot_show_are_refused(devices, name):
    with pytest.raises(UsageError) as caught:
        devices.add(name, "did:key:zAda", NODE, "agent", SEED, None)
    assert caught.value.code == "bad_device_name"


def test_a_name_is_never_a_path(devices):
    devices.add("../../ada", "did:key:zAda", NODE, "agent", SEED, None)
    assert key_file(devices).name == f"{PUBLIC.hex()}.json"
    assert devices.open("../../ada", None).seed == SEED


def test_another_kind_is_refused(devices):
    with pytest.raises(UsageError) as caught:
        devices.add("ada", "did:key:zAda", NODE, "person", SEED, "correct horse")
    assert caught.value.code == "bad_device_kind"


def test_a_key_that_is_not_there_is_not_found(with_ada):
    for name in ("bob", "did:key:zBob", ""):
        with pytest.raises(NotFound) as caught:
            with_ada.open(name, None)
        assert caught.value.code == "device_not_found"


def test_a_did_with_two_keys_needs_a_name(with_ada):
    with_ada.add("ada-phone", "did:key:zAda", NODE, "human", bytes(32), "correct horse")
    with pytest.raises(UsageError, match="ada, ada-phone") as caught:
        with_ada.open("did:key:zAda", "correct horse")
    assert caught.value.code == "device_ambiguous"
    assert with_ada.open("ada-phone", "correct horse").seed == bytes(32)


def test_wide_rights_are_refused(with_ada):
    key_file(with_ada).chmod(0o644)
    with pytest.raises(RightsTooWide, match="0644"):
        with_ada.open("ada", "correct horse")
    key_file(with_ada).chmod(0o600)
    with_ada.path.chmod(0o755)
    with pytest.raises(RightsTooWide, match="0755"):
        with_ada.list()


def test_every_truncation_is_told(with_ada):
    path = key_file(with_ada)
    whole = path.read_bytes().rstrip()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedKeyFile):
            with_ada.open("ada", "correct horse")


def other_public(_):
    return {"public": Ed25519Key(bytes(32)).public.hex()}


GARBLED = {
    "another version": lambda _: {"v": 2},
    "another kind": lambda _: {"kind": "person"},
    "a key more": lambda _: {"more": 1},
    "no hex": lambda _: {"secret": "zz"},
    "a public key that the name does not tell": other_public,
    "a cut secret": lambda fields: {"secret": fields["secret"][:60]},
    "an open secret said to be sealed": lambda _: {"secret": SEED.hex()},
    "a sealed secret said to be open": lambda _: {"sealed": False},
    "the open secret of another key": lambda _: {"sealed": False, "secret": "00" * 32},
}


@pytest.mark.parametrize("name", GARBLED)
def test_garbled_files_are_told_and_show_no_secret(with_ada, name):
    path = key_file(with_ada)
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, **GARBLED[name](fields)}))
    with pytest.raises(DamagedKeyFile, match=PUBLIC.hex()[:8]) as caught:
        with_ada.open("ada", "correct horse")
    assert fields["secret"][:40] not in str(caught.value)
    assert "abab" not in str(caught.value)


def test_the_sealed_secret_of_another_key_is_told(with_ada, tmp_path):
    other = DeviceFolder(tmp_path / "other", cost=LEAST)
    other.add("bob", "did:key:zBob", NODE, "human", bytes(32), "correct horse")
    fields = json.loads(key_file(with_ada).read_text())
    fields["secret"] = json.loads(key_file(other).read_text())["secret"]
    key_file(with_ada).write_text(json.dumps(fields))
    with pytest.raises(DamagedKeyFile, match="does not hold the secret"):
        with_ada.open("ada", "correct horse")
