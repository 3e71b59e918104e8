"""What the commands answer while no node runs."""

import random

import pytest

from foedus.adapters.home_lock import HomeLock, HomeLocked
from foedus.adapters.key_files import NODE_KEYS, DamagedKeyFile, read_node_keys
from foedus.base.errors import FoedusError, NotFound, PeerViolation, UsageError
from foedus.node import offline
from foedus.node.home import Home, create_home
from tests.node.homes import run, spoken

FOREIGN_WORDS = " ".join(["abandon"] * 23 + ["art"])


@pytest.fixture
def made(tmp_path):
    home = Home(tmp_path / "home")
    identity, words = create_home(home, "north")
    return home, identity, " ".join(words)


@pytest.fixture
def home(made):
    return made[0]


def test_who_the_node_is(made):
    home, identity, _ = made
    assert offline.identity(home) == identity


def test_the_log_of_one_stream_in_pages(home):
    stream = run(spoken(home, "one", "two", "three"))
    everything = offline.log_list(home)
    first = offline.log_list(home, stream, "", 2)
    rest = offline.log_list(home, stream, first[-1].cursor, 100)
    assert [event.message.text for event in first + rest] == ["one", "two", "three"]
    assert len(everything) > 3
    assert {event.verdict for event in everything} == {"accepted"}


def test_a_foreign_cursor_is_told_from_a_bad_one(home):
    with pytest.raises(UsageError) as foreign:
        offline.log_list(home, since=f"{'0' * 32}.7")
    with pytest.raises(UsageError) as bad:
        offline.log_list(home, since="seven")
    assert (foreign.value.code, bad.value.code) == ("foreign_cursor", "bad_cursor")


def test_verify_checks_every_signature_of_the_log(home):
    run(spoken(home, "one", "two"))
    report = offline.verify(home)
    assert report.ok
    assert report.events == report.bodies == 5
    assert report.signatures == 8, "five of the node, three of the agent's device"
    assert report.records == 1


def test_verify_needs_no_lock_and_writes_nothing(home):
    with HomeLock(home.path):
        before = home.database.read_bytes()
        assert offline.verify(home).ok
        assert home.database.read_bytes() == before


def test_verify_finds_one_changed_byte(home):
    run(spoken(home, "a text that is found in the file"))
    data = bytearray(home.database.read_bytes())
    at = data.index(b"a text that is found")
    data[at] ^= 1
    home.database.write_bytes(data)
    report = offline.verify(home)
    assert not report.ok
    assert any("digest_mismatch" in problem for problem in report.problems)


def test_an_emptied_database_does_not_verify(home):
    home.database.write_bytes(b"")
    report = offline.verify(home)
    assert not report.ok
    assert "identity record" in report.problems[0]


def test_rotation_opens_an_epoch_with_keys_that_last(home):
    before = offline.identity(home)
    run(spoken(home, "one"))
    view = offline.rotate(home)
    after = offline.identity(home)
    assert (view.cause, view.epoch_number) == ("rotation", 1)
    assert (after.node, after.epoch) == (before.node, view.epoch)
    assert after.ed25519 == read_node_keys(home.keys).ed25519.public.hex() != before.ed25519
    opened = [event.kind for event in offline.log_list(home) if event.epoch == view.epoch]
    assert opened
    assert set(opened) == {"epoch.open"}
    assert offline.verify(home).ok


def test_recovery_by_the_words(made):
    home, identity, words = made
    run(spoken(home, "one"))
    view = offline.recover(home, words)
    assert (view.cause, view.node) == ("recovery", identity.node)
    assert offline.verify(home).ok


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["emptied", "garbled", "lost"])
def test_recovery_by_the_words_where_the_keys_are_gone(made, damage):
    home, identity, words = made
    run(spoken(home, "one"))
    file = home.keys / NODE_KEYS
    if damage is None:
        file.unlink()
        home.keys.joinpath("ed25519.pub").unlink()
    else:
        file.write_bytes(damage)
    with pytest.raises(FoedusError) as caught:
        offline.identity(home)
    assert "24 words" in caught.value.remedy
    view = offline.recover(home, words)
    assert view.node == identity.node
    assert offline.identity(home).epoch == view.epoch
    assert offline.log_list(home)


def test_foreign_words_change_nothing(home):
    (home.keys / NODE_KEYS).write_bytes(b"garbage")
    with pytest.raises(UsageError):
        offline.recover(home, FOREIGN_WORDS)
    assert (home.keys / NODE_KEYS).read_bytes() == b"garbage"
    with pytest.raises(DamagedKeyFile):
        offline.identity(home)


@pytest.mark.parametrize(
    "ask", [offline.identity, offline.log_list, offline.rotate, lambda home: offline.recover(home, FOREIGN_WORDS)]
)
def test_the_lock_is_respected(home, ask):
    with HomeLock(home.path), pytest.raises(HomeLocked):
        ask(home)
    assert offline.verify(home).records == 1


@pytest.mark.parametrize("ask", [offline.identity, offline.log_list, offline.verify, offline.rotate])
def test_an_empty_folder_is_told_and_left_empty(tmp_path, ask):
    with pytest.raises(NotFound) as caught:
        ask(Home(tmp_path / "nothing"))
    assert caught.value.code == "no_home"
    assert not (tmp_path / "nothing").exists()


def test_the_home_is_free_again_after_every_answer_and_every_error(home):
    offline.identity(home)
    with pytest.raises(UsageError):
        offline.log_list(home, stream="no such stream")
    HomeLock(home.path).release()


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_database_is_a_clear_error_and_never_another(home, seed):
    run(spoken(home, "one", "two"))
    rng = random.Random(seed)
    data = bytearray(home.database.read_bytes())
    for _ in range(rng.choice([1, 8, 64])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    home.database.write_bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
    for ask in (offline.identity, offline.log_list, offline.verify, offline.rotate):
        error = raised_by(ask, home)
        assert error is None or error.remedy
        assert not isinstance(error, PeerViolation), "a node's own database is nobody else's fault"


def raised_by(ask, home):
    """Return the error of ours that it raises, if any; let others through."""
    try:
        ask(home)
    except FoedusError as error:
        return error
    return None
