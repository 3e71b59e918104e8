import pytest
from msgspec import convert, to_builtins

from foedus.adapters.device_folder import DeviceFolder
from foedus.adapters.key_files import import_hex, read_node_keys
from foedus.crypto.sealed import LEAST
from foedus.crypto.words import to_words
from foedus.node.home import Home
from foedus.values.node import RotationView
from tests.surfaces.cli.samples import IDENTITY, OWN, PLACED, ROTATION

WORDS = " ".join(to_words(bytes(32)))


@pytest.fixture
def folder(tmp_path):
    return DeviceFolder(tmp_path / "device", cost=LEAST)


def test_generate_makes_a_device_key_that_participant_add_takes_up(foedus, node, folder):
    node.on("GET", "/identity", IDENTITY).on("GET", "/participants", [])
    ran = foedus("key", "generate", "scout", "--json")
    (entry,) = folder.list()
    assert ran.json == {
        "name": "scout",
        "did": entry.did,
        "node": OWN,
        "kind": "agent",
        "sealed": False,
        "public": entry.public.hex(),
    }
    node.on("POST", f"/participants/{entry.did}/acts", (201, PLACED))
    foedus("participant", "add", "scout", "--kind", "agent")
    assert folder.list() == [entry]
    assert len(node.bodies("POST", f"/participants/{entry.did}/acts")) == 1


@pytest.mark.usefixtures("home")
def test_generate_works_while_the_node_does_not_run(foedus, stand_in, folder, monkeypatch):
    monkeypatch.setenv("FOEDUS_PASSPHRASE", "correct horse")
    stand_in("foedus.node.offline", identity=lambda _home: IDENTITY)
    assert foedus("key", "generate", "ada", "--kind", "human").code == 0
    assert folder.list()[0].sealed
    assert foedus("key", "generate", "ada", "--kind", "human", "--json").error["code"] == "device_exists"


def test_list_shows_public_keys_only(foedus, home, folder):
    seed = b"\xab" * 32
    folder.add("ada", "did:key:zAda", bytes.fromhex(OWN), "agent", seed, None)
    ran = foedus("key", "list", "--json")
    keys = home.node_keys()
    assert set(ran.json) == {"node", "devices"}
    assert ran.json["node"]["ed25519"] == keys.ed25519.public.hex()
    assert set(ran.json["node"]) == {"ed25519", "mldsa65", "xwing"}
    assert [device["name"] for device in ran.json["devices"]] == ["ada"]
    for secret in (seed, keys.ed25519.seed, keys.mldsa65.seed, keys.xwing.seed):
        assert secret.hex() not in ran.out + foedus("key", "list").out


def test_export_asks_and_what_it_prints_is_what_import_takes(foedus, home, tmp_path):
    refused = foedus("key", "export")
    assert refused.code == 2
    assert "--yes" in refused.err
    exported = foedus("key", "export", "--yes").out
    assert import_hex(exported).ed25519.seed == home.node_keys().ed25519.seed
    assert set(foedus("key", "export", "--yes", "--json").json) == {"ed25519", "mldsa65", "xwing"}
    (tmp_path / "paper").write_text(exported)
    other = Home(tmp_path / "other")
    ran = foedus("key", "import", "--file", tmp_path / "paper", "--home", other.path, "--json")
    assert ran.json == {"ed25519": home.node_keys().ed25519.public.hex()}
    assert read_node_keys(other.keys).xwing.seed == home.node_keys().xwing.seed


@pytest.mark.usefixtures("home")
def test_import_takes_the_lines_as_arguments_and_never_writes_over_keys(foedus, tmp_path):
    exported = foedus("key", "export", "--yes").out.split()
    assert foedus("key", "import", *exported, "--json").error["code"] == "keys_exist"
    assert foedus("key", "import", " ".join(exported), "--home", tmp_path / "other").code == 0
    assert foedus("key", "import").code == 2
    assert foedus("key", "import", "ed25519", "abc", "--home", tmp_path / "more", "--json").error["code"] == (
        "damaged_key_file"
    )


def test_rotate(foedus, node):
    node.on("POST", "/keys/rotate", ROTATION)
    assert foedus("key", "rotate").code == 2
    assert foedus("key", "rotate", "--yes", "--json").json == ROTATION


def test_rotate_of_a_node_that_does_not_run(foedus, home, stand_in, answers_typed):
    stand_in("foedus.node.offline", rotate=lambda asked: convert(ROTATION, RotationView) if asked == home else None)
    answers_typed("y\n")
    ran = foedus("key", "rotate")
    assert ran.code == 0
    assert "rotation" in ran.out


def test_recover_takes_the_words_from_variable_file_or_prompt(foedus, node, monkeypatch, tmp_path, answers_typed):
    node.on("POST", "/keys/recover", ROTATION | {"cause": "recovery"})
    asked = foedus("key", "recover", "--yes")
    assert asked.code == 2
    assert "--words-file" in asked.err
    (tmp_path / "words").write_text(WORDS.replace(" ", "\n"))
    assert foedus("key", "recover", "--words-file", tmp_path / "words", "--yes").code == 0
    monkeypatch.setenv("FOEDUS_RECOVERY_WORDS", WORDS)
    assert foedus("key", "recover", "--yes", "--json").json["cause"] == "recovery"
    monkeypatch.delenv("FOEDUS_RECOVERY_WORDS")
    answers_typed(WORDS + "\n", "y\n")
    ran = foedus("key", "recover")
    assert ran.code == 0
    assert node.bodies("POST", "/keys/recover") == [{"words": WORDS}] * 3
    assert WORDS not in ran.out + ran.err


def test_words_that_are_wrong_are_told_before_anything_is_sent(foedus, node, monkeypatch):
    monkeypatch.setenv("FOEDUS_RECOVERY_WORDS", WORDS.replace("art", "arts"))
    assert foedus("key", "recover", "--yes", "--json").error["code"] == "bad_recovery_words"
    assert node.asked == []


def test_recover_of_a_node_that_does_not_run(foedus, home, stand_in, monkeypatch):
    monkeypatch.setenv("FOEDUS_RECOVERY_WORDS", WORDS)
    given = []
    stand_in("foedus.node.offline", recover=lambda *asked: given.append(asked) or convert(ROTATION, RotationView))
    assert foedus("key", "recover", "--yes", "--json").json == to_builtins(ROTATION)
    assert given == [(home, WORDS)]


@pytest.mark.usefixtures("home")
def test_sign_test_signs_with_each_key(foedus):
    assert foedus("key", "sign-test", "--json").json == {"ok": True, "keys": ["ed25519", "mldsa65", "xwing"]}
    assert foedus("key", "sign-test").out == "✓ ed25519\n✓ mldsa65\n✓ xwing\n"


def test_damaged_or_open_key_files_are_told(foedus, home):
    (home.keys / "node.keys").chmod(0o644)
    wide = foedus("key", "sign-test", "--json").error
    assert wide["code"] == "rights_too_wide"
    assert "chmod 600" in wide["remedy"]
    (home.keys / "node.keys").chmod(0o600)
    (home.keys / "node.keys").write_bytes(b"cut")
    assert foedus("key", "sign-test", "--json").error["code"] == "damaged_key_file"


def test_self_test_names_its_checks(foedus):
    ran = foedus("key", "self-test", "--json")
    assert ran.json["ok"] is True
    assert "Ed25519 known answer" in ran.json["checks"]
