"""The audit log as pure values: whatever is done to it afterwards is found, and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.adapters.key_files import keys_from_seeds
from foedus.base.cbor import Malformed, decode, encode
from foedus.base.ids import sha256
from foedus.base.limits import DAY, SECOND
from foedus.trust.audit.export import Opening, Record, Witness, items, line_of
from foedus.trust.audit.gather import ACTOR_BURST, ACTOR_KEYS_MAX, ANY, KEYS_MAX, TOTAL_BURST, Gatherer
from foedus.trust.audit.rows import START, Decision, Draft, Head, follow, parse_row
from foedus.trust.audit.seals import Seal, make_seal, read_statement, statement_of
from foedus.trust.audit.verify import UNSEALED_MAX, Audit, Claim, Stored

NODE, EPOCH = b"n" * 32, b"e" * 32
KEYS = keys_from_seeds(b"1" * 32, b"2" * 32, b"3" * 32)
PUBLICS = (KEYS.ed25519.public, KEYS.mldsa65.public)
THIEF = keys_from_seeds(b"4" * 32, b"5" * 32, b"6" * 32)
AT = 1_800_000_000 * SECOND


def draft(number, outcome="accepted"):
    return Draft(AT + number, AT + number, "ab" * 32, "event", "node", "", outcome, 1, 0, 0, None, aggregated=False)


def chained(count, head=START, outcome="accepted"):
    """Return ``count`` rows after ``head``, and the new head."""
    rows = []
    for number in range(count):
        link = follow(head, draft(number, outcome))
        rows.append(Stored(link.n, link.data))
        head = Head(link.n, link.hash)
    return rows, head


def sealed(rows, every, keys=KEYS):
    """Seal each ``every``-th row and the last."""
    seals = []
    for stored in rows:
        if stored.n % every == 0 or stored.n == rows[-1].n:
            head = Head(stored.n, sha256(stored.data))
            seals.append(make_seal(statement_of(NODE, EPOCH, head, AT, seals[-1] if seals else None), keys))
    return seals


ROWS, HEAD = chained(24)
SEALS = sealed(ROWS, 7)


def findings(rows, seals=SEALS, claims=()):
    audit = Audit(NODE, lambda epoch: PUBLICS if epoch == EPOCH else None)
    return list(audit.run(iter(rows), seals, claims)), audit.summary


def edited(stored, **changes):
    return Stored(stored.n, encode({**decode(stored.data), **changes}))


def test_what_nobody_touched_holds():
    found, summary = findings(ROWS, claims=[Claim(24, HEAD.hash, "a peer")])
    assert found == []
    assert (summary.rows, summary.seals, summary.claims, summary.unsealed, summary.head) == (24, 4, 1, 0, HEAD)


@given(st.integers(0, 23), st.sampled_from(["actor", "subject", "rule", "outcome"]), st.text(max_size=8))
def test_an_edited_row_is_named(place, name, text):
    changed = edited(ROWS[place], **{name: text})
    if changed == ROWS[place]:
        return
    found, _ = findings([*ROWS[:place], changed, *ROWS[place + 1 :]])
    assert ROWS[place].n in [finding.row for finding in found]


@given(st.data())
def test_any_changed_byte_is_found(data):
    place = data.draw(st.integers(0, 23))
    bytes_ = bytearray(ROWS[place].data)
    bytes_[data.draw(st.integers(0, len(bytes_) - 1))] ^= data.draw(st.integers(1, 255))
    found, _ = findings([*ROWS[:place], Stored(place + 1, bytes(bytes_)), *ROWS[place + 1 :]])
    assert {finding.row for finding in found} & {place, place + 1, place + 2}


@given(st.sets(st.integers(0, 23), min_size=1, max_size=23))
def test_dropped_rows_are_named(gone):
    found, _ = findings([row for place, row in enumerate(ROWS) if place not in gone])
    named = " ".join(finding.what for finding in found)
    assert f"row{'s' if {min(gone), min(gone) + 1} <= gone else ''} {min(gone) + 1} " in named


@given(st.permutations(range(24)))
def test_rows_in_another_order_are_found(order):
    rows = [ROWS[place] for place in order]
    found, _ = findings(rows)
    assert bool(found) is (rows != ROWS)


@given(st.permutations(range(24)))
def test_rows_that_changed_places_are_found(order):
    rows = [Stored(place + 1, ROWS[other].data) for place, other in enumerate(order)]
    assert bool(findings(rows)[0]) is (list(order) != list(range(24)))


@given(st.integers(0, 23))
def test_a_log_that_was_cut_off_contradicts_its_last_seal(kept):
    found, _ = findings(ROWS[:kept])
    assert any(finding.row == kept + 1 and "missing at the end" in finding.what for finding in found)


@given(st.integers(0, 23))
def test_who_rewrites_all_that_follows_contradicts_the_next_seal(place):
    head = Head(place, sha256(ROWS[place - 1].data)) if place else START
    rest, _ = chained(24 - place, head, outcome="refused")
    found, _ = findings([*ROWS[:place], *rest])
    assert "rewritten" in found[0].what
    assert found[0].row > place


@given(st.integers(0, 23))
def test_who_also_seals_anew_contradicts_what_peers_remember(place):
    head = Head(place, sha256(ROWS[place - 1].data)) if place else START
    rest, _ = chained(24 - place, head, outcome="refused")
    rows = [*ROWS[:place], *rest]
    assert findings(rows, sealed(rows, 7))[0] == []
    found, _ = findings(rows, sealed(rows, 7), [Claim(24, HEAD.hash, "the witness of node oak")])
    assert [finding.row for finding in found] == [24]
    assert "the witness of node oak" in found[0].what
    shorter, _ = findings(ROWS[:place], sealed(ROWS[:place], 7) if place else [], [Claim(24, HEAD.hash, "oak")])
    assert shorter[0].row == place + 1


@given(st.integers(0, 3))
def test_a_missing_seal_is_found(gone):
    seals = [seal for place, seal in enumerate(SEALS) if place != gone]
    found, summary = findings(ROWS, seals)
    if gone == 3:  # rows that no seal covers are told, and peers remember the head
        assert summary.unsealed == 3
    elif gone:
        assert any("is missing" in finding.what for finding in found)


def test_seals_that_were_taken_away_are_missed():
    """Who rewrote all rows had only to leave out the seals, and all held."""
    rows, _ = chained(UNSEALED_MAX + 10, outcome="refused")
    assert findings(rows[:900], [])[0] == [], "a node that was killed may not have come to its first seal"
    assert [finding.row for finding in findings(rows, [])[0]] == [1]
    assert [finding.row for finding in findings(rows, sealed(rows[:5], 5))[0]] == [6]
    days = [draft(0), draft(2 * DAY)]
    first = follow(START, days[0])
    second = follow(Head(1, first.hash), days[1])
    assert [finding.row for finding in findings([Stored(n, data) for n, data, _ in (first, second)], [])[0]] == [1]


def test_a_seal_by_other_keys_is_no_seal():
    found, _ = findings(ROWS, sealed(ROWS, 7, THIEF))
    assert {finding.what.split(" ", 5)[-1] for finding in found} >= {"is not signed by both keys of its node"}
    mixed = [Seal(seal.statement, seal.ed25519, bytes(3309)) for seal in SEALS]
    assert len(findings(ROWS, mixed)[0]) == len(SEALS)


def test_what_retention_let_go_is_missing_only_where_no_row_says_so():
    said = Draft(AT, AT, "node", "audit", "", "retention", "pruned", 1, 1, 7, None, aggregated=False)
    link = follow(HEAD, said)
    rows = [*ROWS[7:], Stored(link.n, link.data)]
    assert findings(rows)[0] == []
    assert [finding.row for finding in findings(ROWS[7:])[0]] == [1]
    first = edited(ROWS[7], prev=b"x" * 32)
    assert findings([first, *rows[1:]])[0] != []


def test_an_exported_log_reads_back_and_shows_an_edit():
    lines = [line_of(Opening(NODE)), *map(line_of, ROWS), *map(line_of, SEALS)]
    read = list(items(iter(lines)))
    assert [it for it in read if isinstance(it, Stored)] == ROWS
    assert [it for it in read if isinstance(it, Seal)] == SEALS
    forged = lines[5].replace('"accepted"', '"refused"')
    (row,) = items(iter([forged]))
    assert findings([*ROWS[:4], row, *ROWS[5:]])[0][0].row == 5
    assert list(items(iter([line_of(Record(b"r")), line_of(Witness(b"w")), "\n"]))) == [Record(b"r"), Witness(b"w")]


@given(st.text(max_size=40) | st.just('{"type": "row"}') | st.just('{"type": "audit", "format": "x", "node": ""}'))
def test_a_line_of_anything_else_is_refused_by_its_number(line):
    try:
        list(items(iter([line_of(Opening(NODE)), line])))
    except Malformed as error:
        assert "line 2" in str(error)  # noqa: PT017  # most lines raise, blank ones do not
    else:
        assert not line.strip()


# --- gathering ---------------------------------------------------------------------------------------


def decision(actor="peer", rule="", outcome="accepted", ids=(), **more):
    return Decision(actor, "event", "node", rule, outcome, ids, **more)


def test_a_decision_gets_a_row_of_its_own():
    gatherer = Gatherer()
    gatherer.add(decision(ids=(b"i" * 32,), first=7, last=7), AT)
    (row,) = gatherer.take()
    assert (row.digest, row.first, row.last, row.times, row.aggregated) == (b"i" * 32, 7, 7, 1, False)
    assert gatherer.take() == []
    assert not gatherer.is_due


def test_a_flood_of_one_actor_becomes_one_row_with_its_count():
    gatherer = Gatherer()
    ids = [number.to_bytes(32, "big") for number in range(10_000)]
    for each in ids:
        gatherer.add(decision(rule="invalid_signature", outcome="refused", ids=(each,)), AT)
    rows = gatherer.take()
    assert len(rows) == ACTOR_BURST + 1
    assert rows[-1].aggregated
    assert sum(row.times for row in rows) == len(ids)
    assert rows[-1].digest == sha256(*ids[ACTOR_BURST:])
    gatherer.add(decision(), AT + SECOND)
    assert not gatherer.take()[0].aggregated, "a second later it may cause a row again"


@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 30))
def test_whatever_comes_the_rows_are_bounded_and_every_decision_is_counted(actors, times, rules):
    gatherer = Gatherer()
    for number in range(times):
        gatherer.add(decision(f"peer {number % actors}", f"rule {number % rules}", "refused", times=3), AT)
    rows = gatherer.take()
    assert sum(row.times for row in rows) == 3 * times
    assert sum(not row.aggregated for row in rows) <= min(TOTAL_BURST, actors * ACTOR_BURST)
    assert sum(row.aggregated for row in rows) <= KEYS_MAX + 8


def test_an_actor_with_many_streams_ends_in_one_row():
    gatherer = Gatherer()
    for number in range(ACTOR_BURST + 100):
        gatherer.add(Decision("peer", "event", f"room:{number}", "", "accepted"), AT)
    rows = [row for row in gatherer.take() if row.aggregated]
    assert len(rows) == ACTOR_KEYS_MAX + 1
    assert (rows[-1].subject, rows[-1].times) == (ANY, 100 - ACTOR_KEYS_MAX)


def test_quiet_decisions_wait_for_others():
    gatherer = Gatherer()
    gatherer.add(decision(quiet=True), AT)
    assert not gatherer.is_due
    gatherer.add(decision("other"), AT + 1)
    assert [row.aggregated for row in gatherer.take()] == [True, False]


def test_texts_of_others_are_cut():
    gatherer = Gatherer()
    gatherer.add(Decision("a" * 500, "event", "\ud800" * 500, "", ""), AT)
    (row,) = gatherer.take()
    parsed = parse_row(follow(START, row).data)
    assert len(parsed.actor) == len(parsed.subject) == 160


def test_the_rows_of_a_full_queue_are_aggregated():
    gatherer = Gatherer(queue_max=2)
    for number in range(5):
        gatherer.add(decision(f"peer {number}"), AT)
    rows = gatherer.take()
    assert [row.aggregated for row in rows] == [False, False, True, True, True]


def test_an_empty_log_is_not_sealed():
    with pytest.raises(ValueError, match="empty"):
        statement_of(NODE, EPOCH, START, AT, None)
    assert read_statement(SEALS[0]).count == 7
