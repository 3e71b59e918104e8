"""Files that others made, or that are none: each is refused in words, and none is called a fault of this program."""

import pytest

HOSTILE_LINES = [
    '{"type": "row", "n": Infinity, "hash": ""}',
    '{"type": "row", "n": 1e999, "hash": ""}',
    '{"type": "row", "n": ' + "9" * 5_000 + ', "hash": ""}',
    '{"type": "row", "n": 1, "hash": "", "x": ' + "[" * 10_000,
    '{"type": "row", "n": 1, "hash": "\\ud800", "actor": "\\ud800"}',
    '{"type": "seal", "ed25519": "aa", "mldsa65": "bb", "count": 1e400}',
    '{"type": "\\u001b[2J"}',
    "[1, 2, 3]",
]


@pytest.mark.parametrize("line", HOSTILE_LINES)
def test_an_exported_audit_log_of_somebody_else(foedus, tmp_path, line):
    file = tmp_path / "audit.jsonl"
    file.write_text('{"type": "audit", "format": "foedus-audit/1", "node": "' + "ab" * 32 + '"}\n' + line + "\n")
    ran = foedus("audit", "verify", file, "--home", tmp_path / "none")
    assert ran.code == 1
    assert "\x1b" not in ran.err + ran.out
    assert "error[internal]" not in ran.err


@pytest.mark.parametrize("command", [("audit", "verify"), ("proof", "verify")])
def test_a_folder_in_place_of_a_file(foedus, tmp_path, command):
    ran = foedus(*command, tmp_path, "--home", tmp_path / "none")
    assert (ran.code, "error[unusable_file]" in ran.err) == (1, True)


@pytest.mark.parametrize(
    "text",
    [
        "max_peers = " + "9" * 5_000,
        "max_peers = 0x" + "f" * 5_000,
        "max_peers = " + "[" * 20_000 + "]" * 20_000,
        "max_peers = " + "{a=" * 9_000 + "1" + "}" * 9_000,
    ],
    ids=["digits", "hex digits", "lists", "tables"],
)
def test_a_policy_that_the_library_cannot_read(foedus, tmp_path, text):
    (tmp_path / "foedus.toml").write_text(f"[federation.policy]\n{text}\n")
    ran = foedus("policy", "check", "--home", tmp_path)
    assert (ran.code, "error[bad_policy]" in ran.err) == (1, True)
