"""How far a dump has come, what is said of it, and how what was restored is held against what was dumped: without a server."""

from __future__ import annotations

import pytest

from core.backup.comparison import Circumstances, schema_differences
from core.backup.progress import Copying, Course, Table, values
from core.backup.replacement import fitting
from core.backup.restore import dbname
from core.events import Json
from core.postgres.connection_spec import ConnectionSpec
from core.postgres.fingerprint import Canonical
from tui.backing_up import backup_line, backup_lines

MB = 1_000_000
TABLES = (
    Table("public", "big", 80 * MB, 1000),
    Table("public", "small", 10 * MB, 10),
    Table("other", "small", 10 * MB, -1),
)


def test_finished_tables_and_those_under_way_are_weighed_by_their_size() -> None:
    course = Course(TABLES)
    assert course.standing(0.0).share == 0
    course.tell("pg_dump: finished item 3372 TABLE DATA small")
    course.tell("pg_dump: finished item 12 SEQUENCE SET small")
    course.tell('pg_dump: dumping contents of table "public.big"')
    assert course.tables_done == 1
    standing = course.standing(10.0, [Copying("public", "big", rows=500, bytes=1)])
    assert standing.share == pytest.approx(0.5)
    assert standing.speed == pytest.approx(5 * MB)
    assert standing.seconds_left == pytest.approx(10)


def test_a_table_that_was_never_analysed_counts_by_its_bytes_and_none_is_through_before_it_is() -> None:
    half = Course(TABLES).standing(10.0, [Copying("other", "small", rows=7, bytes=5 * MB)])
    assert half.share == pytest.approx(0.05)
    more = Course(TABLES).standing(10.0, [Copying("public", "big", rows=5000, bytes=0)])
    assert more.share == pytest.approx(0.99 * 0.8)


def test_it_never_goes_back() -> None:
    """Between the end of a table's copying and the program's word of it, the table is in neither."""
    course = Course(TABLES)
    assert course.standing(5.0, [Copying("public", "big", rows=900, bytes=0)]).share == pytest.approx(0.72)
    assert course.standing(6.0).share == pytest.approx(0.72)
    course.tell("pg_dump: finished item 3372 TABLE DATA big")
    assert course.standing(7.0).share == pytest.approx(0.8)
    assert course.standing(7.0).share == pytest.approx(0.8)


def test_at_the_beginning_nothing_is_said_of_the_time_left() -> None:
    standing = Course(TABLES).standing(1.0, [Copying("public", "big", rows=900, bytes=0)])
    assert (standing.speed, standing.seconds_left) == (None, None)
    assert Course(()).standing(5.0).share == 0


def test_what_the_screen_says_of_it() -> None:
    course = Course(TABLES)
    course.tell("pg_restore: finished item 3372 TABLE DATA big")
    shown: dict[str, Json] = {"stage": "dumping", **values(course.standing(8.0), course)}
    assert backup_line(shown) == "dumping: 80 %; 76 MB of 95 MB; 9.5 MB/s; about 0:02 left; 1 of 3 tables"
    assert backup_line({"stage": "comparing"}) == "comparing"


@pytest.mark.parametrize("shown", [{}, {"stage": None, "percent": "x", "running": 3}, {"stage": 7, "bytes_total": []}])
def test_readings_of_another_version_break_nothing(shown: dict[str, Json]) -> None:
    assert backup_lines(shown)[0]


VIEW, TABLE = "view public.v", "table public.t"


def alike(
    before: dict[str, object], after: dict[str, object], *, owners: bool = True, dumped_on: int = 15
) -> list[str]:
    how = Circumstances(owners=owners, dumped_on=dumped_on, restored_on=18)
    found = schema_differences({VIEW: before}, {VIEW: after}, how)
    return [difference.property for difference in found]


def test_what_servers_write_differently_is_a_difference_on_the_same_version_only() -> None:
    before: dict[str, object] = {"definition": "SELECT t.id FROM t", "acl": ["SELECT to a by b"], "owner": "b"}
    after: dict[str, object] = {
        "definition": "SELECT id FROM t",
        "acl": ["MAINTAIN to b by b", "SELECT to a by b"],
        "owner": "b",
    }
    assert alike(before, after) == []
    assert alike(before, after, dumped_on=18) == ["acl", "definition"]
    assert alike(before, {**after, "owner": "c", "acl": []}) == ["acl", "owner"]
    assert alike(before, {**after, "owner": "c", "acl": []}, owners=False) == []


def test_not_null_is_a_named_constraint_since_18_only() -> None:
    named: Canonical = {"constraint public.t.t_id_not_null": {"kind": "n"}}
    assert schema_differences({}, named, Circumstances(owners=True, dumped_on=17, restored_on=18)) == ()
    assert schema_differences({}, named, Circumstances(owners=True, dumped_on=18, restored_on=18))


def test_what_is_missing_is_a_difference_unless_the_server_did_not_let_it_be() -> None:
    form: Canonical = {"event trigger e": {"owner": "a"}, TABLE: {"owner": "a"}}
    denied = Circumstances(
        owners=False, dumped_on=18, restored_on=18, left_out=("permission denied to create event trigger",)
    )
    assert [d.object for d in schema_differences(form, {}, denied)] == [TABLE]
    allowed = Circumstances(owners=False, dumped_on=18, restored_on=18)
    assert [d.object for d in schema_differences(form, {}, allowed)] == ["event trigger e", TABLE]


def test_a_database_s_name_is_never_taken_for_a_connection_string() -> None:
    spec = ConnectionSpec("db.example", 5432, "host=elsewhere dbname='x'\\", "owner")
    assert dbname(spec) == "dbname='host=elsewhere dbname=\\'x\\'\\\\'"
    assert fitting("ä" * 40, "_restored").encode().decode() == "ä" * 27 + "_restored"
