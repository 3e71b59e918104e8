"""`foedus policy`: the file of this home, right or wrong, and where each value comes from."""


def test_show_says_where_each_value_comes_from(foedus, home):
    shown = foedus("policy", "show")
    assert "max_peers = 10   # default" in shown.out
    home.policy_path.write_text("[federation.policy]\nmax_peers = 3\n", encoding="utf-8")
    assert f"max_peers = 3   # {home.policy_path}, line 2" in foedus("policy", "show").out
    found = {each["option"]: each for each in foedus("policy", "show", "--json").json}
    assert found["max_peers"]["value"] == 3
    assert found["max_peers"]["source"] == f"{home.policy_path}, line 2"
    assert found["require_mutual"] == {
        "section": "federation.policy",
        "option": "require_mutual",
        "value": True,
        "source": "default",
        "about": found["require_mutual"]["about"],
    }


def test_check_says_what_is_wrong_and_what_to_do(foedus, home):
    assert foedus("policy", "check").code == 0
    home.policy_path.write_text("[federation.policy]\n\nmax_peer = 3\n", encoding="utf-8")
    ran = foedus("policy", "check")
    assert ran.code == 1
    assert f"{home.policy_path}, line 3" in ran.err
    assert "did you mean max_peers?" in ran.err
    home.policy_path.write_bytes(b"# \xff\n")
    assert "line 1: this is not UTF-8" in foedus("policy", "check").err
    home.policy_path.write_bytes(b"#" * 65_537)
    assert "more than 65536 bytes" in foedus("policy", "check").err
    home.policy_path.write_text("[federation.policy]\nmax_peers = 3\n", encoding="utf-8")
    ran = foedus("policy", "check")
    assert ran.code == 0
    assert "1 set, the rest default" in ran.out
