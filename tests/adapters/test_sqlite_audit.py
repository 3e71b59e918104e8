"""The audit log's file: what it keeps, whom it lets in, and what it refuses to open."""

import pytest

from foedus.adapters.key_files import keys_from_seeds
from foedus.adapters.log_errors import DamagedDatabase
from foedus.adapters.sqlite_audit import SqliteAudit
from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.errors import Unavailable
from foedus.node.audit_files import newest, read_rows
from foedus.trust.audit.rows import START, Draft, Head, follow
from foedus.trust.audit.seals import make_seal, statement_of
from foedus.trust.reputation import Evidence, Kind

KEYS = keys_from_seeds(b"1" * 32, b"2" * 32, b"3" * 32)


def links(count, head=START):
    made = []
    for number in range(count):
        made.append(follow(head, Draft(number, number, "a", "event", "", "", "", 1, 0, 0, None, aggregated=False)))
        head = Head(made[-1].n, made[-1].hash)
    return made


def seal_of(link, before=None):
    return make_seal(statement_of(b"n" * 32, b"e" * 32, Head(link.n, link.hash), 5, before), KEYS)


@pytest.fixture
def audit(tmp_path):
    log = SqliteAudit(tmp_path / "audit.db")
    yield log
    log.close()


def test_it_keeps_what_it_is_given_and_only_for_its_owner(audit, tmp_path):
    assert audit.end() == (1, START, None)
    made = links(300)
    evidence = Evidence(7, b"n" * 32, Kind.FORK, 11, 2)
    audit.append(made, [evidence])
    first, second = seal_of(made[9]), seal_of(made[299])
    audit.add_seal(first, 10, [(b"e" * 32, b"record")])
    audit.add_seal(second, 300, [(b"e" * 32, b"record")])
    reader = SqliteAudit(tmp_path / "audit.db", is_reader=True)
    assert reader.end() == (1, Head(300, made[-1].hash), second)
    assert [stored.data for stored in reader.rows(10, 3)] == [link.data for link in made[10:13]]
    assert reader.seals(0, 9) == [(10, first), (300, second)]
    assert reader.records() == [(b"e" * 32, b"record")]
    assert (reader.evidence(11), reader.evidence(12)) == ([evidence], [])
    reader.close()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("audit.db*")} == {0o600}


def test_rows_that_fail_are_not_there(audit):
    audit.append(links(3))
    with pytest.raises(Exception, match="UNIQUE"):
        audit.append(links(4)[2:], [])
    assert audit.end().head.rows == 3


def test_pruning_keeps_the_seal_that_the_rest_begins_with(audit):
    made = links(20)
    audit.append(made)
    for place in (5, 10, 20):
        audit.add_seal(seal_of(made[place - 1]), place, [])
    audit.prune(10)
    assert audit.end().first == 11
    assert [count for count, _ in audit.seals(0, 9)] == [10, 20]


def test_a_reader_makes_nothing_and_takes_nothing_else(tmp_path):
    with pytest.raises(Unavailable):
        SqliteAudit(tmp_path / "audit.db", is_reader=True)
    SqliteLog(tmp_path / "foedus.db").close()
    with pytest.raises(DamagedDatabase, match="no audit log"):
        SqliteAudit(tmp_path / "foedus.db")


def test_a_log_that_is_just_being_made_has_no_rows_yet(tmp_path):
    path = tmp_path / "audit.db"
    path.touch()
    assert read_rows(path, 0, 10) == newest(path, 10) == []
    with pytest.raises(DamagedDatabase):
        SqliteAudit(path, is_reader=True)
