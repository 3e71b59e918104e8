from tests.surfaces.cli.samples import BANK

NAMED = {"id": BANK, "name": "the bank"}


def test_a_peer_gets_a_name(foedus, node):
    node.on("POST", "/names", NAMED)
    assert foedus("name", "set", "bigbank", "the bank", "--json").json == NAMED
    assert node.bodies("POST", "/names") == [{"id": "bigbank", "name": "the bank"}]
    assert "the bank" in foedus("name", "set", "bigbank", "the bank").out


def test_the_names_are_listed_and_taken_back(foedus, node):
    node.on("GET", "/names", [NAMED]).on("DELETE", "/names/the bank", b"")
    assert foedus("name", "list", "--json").json == [NAMED]
    assert foedus("name", "list").out.splitlines()[1].split() == ["the", "bank", BANK]
    assert foedus("name", "remove", "the bank").out == "no longer named: the bank\n"
    node.on("GET", "/names", [])
    assert foedus("name", "list").out == "no names were given yet\n"
