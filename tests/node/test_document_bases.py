"""A room is opened by what comes after what was kept of it, and only where all before it counts as it did then."""

from pathlib import Path

import pytest
from pycrdt import Text

from foedus.adapters.document_bases import FileBases
from foedus.node import documents as module
from foedus.node.documents import Documents
from foedus.state.documents.base import Base, HeldPart, decode_base, encode_base
from tests.node.document_client import editing, folded
from tests.node.nodes import share, street, until
from tests.node.people import agent
from tests.node.test_blobs import loaded, rows, stream_of, text_at
from tests.node.test_document_limits import updates
from tests.node.test_documents import equal, pair


@pytest.fixture
def counted(monkeypatch):
    """Let a room be kept after each two updates; return what was taken in since, by name of the call."""
    monkeypatch.setattr(Documents, "base_every", 2)
    taken = []
    real = module._pieces

    def pieces(brought):
        found = real(brought)
        taken.extend(piece for piece, _ in found if piece is not None)
        return found

    monkeypatch.setattr(module, "_pieces", pieces)
    return taken


async def write(running, who, *texts):
    """Write texts, each as an act of its own."""
    async with editing(running, who) as editor:
        for text in texts:
            before = len(updates(running))
            await editor.edit(0, text)
            await until(lambda before=before: len(updates(running)) == before + 1, "it is written")


async def kept(running):
    """Wait until what was begun to be kept is."""
    bases = running.node.documents._bases
    await folded(running, stream_of(running))
    await until(lambda: not bases._under_way and not running.node.documents._tasks, "all is kept")


async def text(running):
    doc = loaded(await folded(running, stream_of(running)))
    return str(doc.get("text", type=Text))


async def test_a_room_is_opened_by_what_came_since_it_was_kept(tmp_path, counted):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        who = await agent(ash, "ann")
        await write(ash, who, *"abcde")
        await kept(ash)
        ash = await road.restart("ash")
        counted.clear()
        assert await text(ash) == "edcba"
        assert len(counted) == 1
        await write(ash, who, "f")
        await until(lambda: sorted(text_at(ash)) == [*"abcdef"], "it goes on")


async def test_after_a_crash_nothing_that_was_kept_is_left(tmp_path, counted):
    async with street(tmp_path) as road:
        ash = await road.add("ash")
        await share(ash)
        await write(ash, await agent(ash, "ann"), *"abcd")
        await kept(ash)
        folder = ash.node.home.documents
        await road.stop("ash")
        assert {len(path.name) for path in folder.iterdir()} == {64, 5}
        (folder / "clean").unlink()
        ash = await road.start("ash")
        assert not list(folder.iterdir())
        counted.clear()
        assert await text(ash) == "dcba"
        assert len(counted) == 4


@pytest.mark.usefixtures("counted")
async def test_an_erased_update_is_in_nothing_that_is_kept(tmp_path):
    async with pair(tmp_path) as (_, ash, elm):
        await write(ash, ash.agent, *["secret ", "a", "b", "c"])
        await until(lambda: len(updates(elm)) == 4, "elm has it")
        for it in (ash, elm):
            await folded(it, stream_of(it))
            await kept(it)
        folders = [it.node.home.documents for it in (ash, elm)]
        assert all(b"secret" in contents(folder) for folder in folders)
        await ash.service.erase(rows(ash, "document.update")[0].id.hex(), "moderator")
        for it, folder in zip((ash, elm), folders, strict=True):
            await until(lambda folder=folder: b"secret" not in contents(folder), "it goes")
            await kept(it)
            assert b"secret" not in contents(folder)


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir()) if folder.exists() else b""


@pytest.mark.usefixtures("counted")
async def test_what_does_not_count_any_more_is_not_gone_on_from(tmp_path, monkeypatch):
    async with pair(tmp_path) as (_, ash, elm):
        await write(ash, ash.agent, *"abcd")
        await until(lambda: len(updates(elm)) == 4, "elm has it")
        await folded(elm, stream_of(elm))
        await kept(elm)
        last = rows(elm, "document.update")[-1].id
        judge, real = elm.node.documents.rows, elm.node.documents.rows._clause
        monkeypatch.setattr(judge, "_clause", lambda row, *rest: "test" if row.id == last else real(row, *rest))
        elm.node.documents.forget()
        assert await text(elm) == "cba"
        monkeypatch.undo()


async def test_parts_and_what_waits_are_kept_too(tmp_path, counted):
    async with pair(tmp_path) as (_, ash, elm):
        async with editing(ash, ash.agent) as ann, editing(elm, elm.human) as eve:
            await ann.edit(0, "x" * 100_000)
            await equal(ann, eve, wanted="x" * 100_000)
        await kept(ash)
        ash.node.documents.forget()
        counted.clear()
        assert await text(ash) == "x" * 100_000
        assert len(counted) <= 1


def test_what_is_damaged_is_not_read():
    base = Base("room:x", 7, bytes(32), {"page": (b"a", b"b")}, (HeldPart("page", bytes(32), 1, "did", 0, 2, b"x"),))
    data = encode_base(base)
    assert decode_base(data) == base
    assert decode_base(data[:-1] + b"\xff") is None
    assert decode_base(b"") is None


def test_what_is_dropped_is_overwritten_and_only_a_good_end_leaves_it(tmp_path):
    bases = FileBases(tmp_path / "kept")
    bases.write("one", b"1" * 3_000_000)
    bases.write("one", b"2" * 10)
    bases.write("two", b"3")
    path = bases._path("one")
    with path.open("rb") as held:
        bases.drop("one")
        assert held.read() == bytes(10)
    assert bases.read("one") is None
    assert not path.exists()
    bases.close()
    again = FileBases(tmp_path / "kept")
    assert again.read("two") == b"3"
    assert FileBases(tmp_path / "kept").read("two") is None  # it did not end
