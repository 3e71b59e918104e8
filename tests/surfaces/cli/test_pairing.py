"""The code on the screen, whose node is asked by which token, and keys that the keyring seals."""

import json

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail

from foedus.adapters import device_keyring
from foedus.adapters.device_folder import DeviceEntry, DeviceFolder
from foedus.adapters.device_profiles import Profile, profiles, save_profile
from foedus.adapters.key_files import DamagedKeyFile
from foedus.base.errors import NotFound
from foedus.base.ids import parse_id
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.sealed import LEAST
from foedus.identity.did import did_of
from foedus.identity.request_proof import PROOF_HEADER, ProvedRequest, proof_holds, read_proof
from foedus.surfaces.cli import devices
from tests.surfaces.cli.samples import GENERAL, OWN

KEY = Ed25519Key(b"\x07" * 32)
CODE = {
    "code": "K7-2MXW",
    "url": "http://127.0.0.1:8102",
    "link": "http://127.0.0.1:8102/#pair=K7-2MXW",
    "kind": "human",
    "did": "",
    "expires": 1_800_000_000_000_000,
}


class Wallet(KeyringBackend):
    """A keyring in memory."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.held = {}

    def set_password(self, service, username, password):
        self.held[service, username] = password

    def get_password(self, service, username):
        return self.held.get((service, username))


@pytest.fixture
def wallet():
    former = keyring.get_keyring()
    keyring.set_keyring(Wallet())
    yield keyring.get_keyring()
    keyring.set_keyring(former)


@pytest.fixture
def pairing(node):
    """A node that gives a code; its door lies outside of the local API."""
    return node.on("POST", "/api/pair/generate", (201, CODE))


def test_a_code_and_its_qr_are_shown(foedus, pairing):
    ran = foedus("pair", "start")
    assert ran.code == 0
    assert "K7-2MXW" in ran.out
    assert ran.out.count("█") > 100
    assert "a new person" in ran.out
    assert "foedus pair device http://127.0.0.1:8102 K7-2MXW" in ran.err
    assert pairing.bodies("POST", "/api/pair/generate") == [{"participant": "", "kind": "human", "architect": False}]
    foedus("pair", "start", "--agent")
    foedus("pair", "start", "--as", "ada")
    assert [body["kind"] for body in pairing.bodies("POST", "/api/pair/generate")[1:]] == ["agent", "human"]
    assert foedus("pair", "start", "--as", "ada", "--agent").code == 2


def test_a_url_without_a_code_is_asked_for_one(foedus):
    assert foedus("pair", "device", "http://127.0.0.1:1").code == 2
    ran = foedus("pair", "device", "http://127.0.0.1:1/#pair=K7-2MX", "--json")
    assert ran.error["code"] == "malformed_code"
    assert foedus("pair", "device", "ftp://x", "K7-2MXW", "--json").error["code"] == "bad_url"
    assert foedus("pair", "device", "http://127.0.0.1:1", "K7-2MXW", "--json").error["code"] == "not_running"


# --- whose token ----------------------------------------------------------------------------------


@pytest.fixture
def profile(node, tmp_path, monkeypatch):
    """A device folder that is paired with the fake node, on a machine without a node."""
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    folder.add("ada", did_of(KEY.public), parse_id(OWN), "agent", KEY.seed, None)
    profile = Profile(node.url, OWN, did_of(KEY.public), KEY.public.hex(), "ada", "secret")
    save_profile(folder.path, profile)
    monkeypatch.setenv("FOEDUS_HOME", str(tmp_path / "none"))
    node.on("GET", "/rooms", [GENERAL])
    return profile


def proved(node, method="GET", target="/api/v1/rooms", token="secret"):  # noqa: S107  # it opens nothing
    head = {name.lower(): value for name, value in node.heads[-1].items()}
    assert head["authorization"] == f"Bearer {token}"
    request = ProvedRequest(method=method, target=target, body=b"", node=parse_id(OWN), token=token)
    return PROOF_HEADER in head and proof_holds(read_proof(head[PROOF_HEADER]), KEY.public, request)


def test_a_paired_device_asks_with_its_token_and_its_proof(foedus, node, profile):
    assert foedus("room", "list").code == 0
    assert proved(node)
    assert "secret" not in repr(profile)


def test_the_operators_home_comes_before_a_profile_unless_the_url_names_it(foedus, node, profile, home, monkeypatch):
    monkeypatch.setenv("FOEDUS_HOME", str(home.path))
    foedus("room", "list")
    assert node.heads[-1]["Authorization"] == f"Bearer {home.token()}"
    monkeypatch.setenv("FOEDUS_URL", profile.url)
    foedus("room", "list")
    assert proved(node)


@pytest.mark.usefixtures("profile")
def test_a_token_from_the_environment_is_proved_where_its_key_is(foedus, node, monkeypatch):
    monkeypatch.setenv("FOEDUS_TOKEN", "secret")
    foedus("room", "list")
    assert proved(node)
    monkeypatch.setenv("FOEDUS_TOKEN", "another")
    assert foedus("room", "list", "--json").error["code"] == "no_url"
    monkeypatch.setenv("FOEDUS_URL", node.url)
    foedus("room", "list")
    assert not proved(node, token="another")


@pytest.mark.usefixtures("profile")
def test_a_node_that_nothing_here_is_paired_with(foedus, monkeypatch):
    monkeypatch.setenv("FOEDUS_URL", "http://127.0.0.1:1")
    assert foedus("room", "list", "--json").error["code"] == "profile_needed"


def test_a_profile_is_private_and_a_damaged_one_is_named(tmp_path, profile):
    (path,) = (tmp_path / "device" / "profiles").glob("*.json")
    assert path.stat().st_mode & 0o077 == 0
    assert profiles(tmp_path / "device") == [profile]
    path.write_text(json.dumps({"url": 1}))
    with pytest.raises(DamagedKeyFile):
        profiles(tmp_path / "device")


def test_a_token_for_a_key_of_this_folder_is_kept_beside_it(foedus, node, tmp_path):
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    did = did_of(KEY.public)
    folder.add("ada", did, parse_id(OWN), "agent", KEY.seed, None)
    who = {"did": did, "name": "ada", "kind": "human", "custody": "device", "node": OWN, "node_name": "north"}
    node.on("GET", "/participants", [who | {"is_local": True, "devices": []}])
    issued = {"did": did, "name": "ada", "device": KEY.public.hex(), "bound": True, "token": "fresh"}
    node.on("POST", f"/participants/{did}/token", (201, issued))
    ran = foedus("participant", "token", "ada")
    assert "fresh" in ran.out
    assert [kept.token for kept in profiles(folder.path)] == ["fresh"]


# --- the keyring ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("wallet")
def test_a_key_that_the_keyring_seals_opens_without_a_question(tmp_path):
    folder = DeviceFolder(tmp_path / "device", cost=LEAST)
    entry = DeviceEntry("ada", did_of(KEY.public), bytes(32), "human", True, KEY.public, keyring=True)
    kept = devices.keep_key(folder, entry, KEY, None)
    assert (kept.sealed, kept.keyring) == (True, True)
    assert folder.list() == [kept]
    assert KEY.seed.hex() not in (tmp_path / "device" / f"{KEY.public.hex()}.json").read_text()
    assert devices.unlock(folder, kept, None).public == KEY.public
    keyring.get_keyring().held.clear()
    with pytest.raises(NotFound) as lost:
        devices.unlock(folder, kept, None)
    assert lost.value.code == "not_in_keyring"


def test_where_no_keyring_is_that_is_said(wallet):
    keyring.set_keyring(fail.Keyring())
    with pytest.raises(device_keyring.NoKeyring) as missing:
        device_keyring.new_passphrase(KEY.public)
    assert missing.value.code == "no_keyring"
    assert "--keyring" in missing.value.remedy
    keyring.set_keyring(wallet)
