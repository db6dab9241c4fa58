from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import UsageError
from core.postgres.catalog import (
    Catalog,
    Column,
    Constraint,
    DataType,
    EnforcementTrigger,
    Function,
    Grant,
    OtherObject,
    Relation,
    SecurityLabel,
    ServerFacts,
)
from core.postgres.fingerprint import FOREIGN_KEY_ORDER, Difference, canonical, compare, fingerprint, from_json, to_json

SERVER = ServerFacts(
    version_num=150018,
    version="15.18",
    database="shop",
    database_oid=1,
    system_identifier="7",
    address="local:5432",
    started_at="2025-01-01T00:00:00Z",
    in_recovery=False,
    role="app",
    is_superuser=False,
    can_create_database=False,
    can_create_role=False,
    bypasses_row_security=False,
    encoding="UTF8",
    collation="C",
    database_bytes=1,
)


def foreign_key(oid: int, name: str, *, table: int = 1, to: int = 2, parent: int = 0, target: str = "b") -> Constraint:
    return Constraint(
        oid=oid,
        relation=table,
        foreign_relation=to,
        parent=parent,
        schema="public",
        table={1: "a", 2: "b"}[table],
        name=name,
        kind="f",
        definition=f"FOREIGN KEY (x) REFERENCES public.{target}(id)",
        foreign_table=f"public.{target}",
    )


def catalog(**parts: object) -> Catalog:
    base = Catalog(
        server=SERVER,
        relations=(
            Relation(oid=1, schema="public", name="a", kind="r", owner="app", options=("b=2", "a=1")),
            Relation(oid=2, schema="public", name="b", kind="r", owner="app", bytes=10),
        ),
        columns=(
            Column(relation=1, attnum=1, schema="public", table="a", name="Id", position=1, type="uuid", identity="d"),
            Column(
                relation=1,
                attnum=3,
                schema="public",
                table="a",
                name="x",
                position=2,
                type="uuid",
                acl=(Grant("PUBLIC", "app", "SELECT", True),),
                labels=(SecurityLabel("p", "secret"),),
            ),
        ),
        constraints=(foreign_key(20, "first"), foreign_key(30, "second")),
    )
    return replace(base, **parts)  # pyright: ignore[reportArgumentType]


def test_keys_name_objects_and_properties_are_plain() -> None:
    form = canonical(catalog())
    assert list(form) == [
        'column public.a."Id"',
        "column public.a.x",
        "constraint public.a.first",
        "constraint public.a.second",
        "table public.a",
        "table public.b",
    ]
    assert form['column public.a."Id"']["identity"] == "d"
    assert form["column public.a.x"]["acl"] == ['SELECT to "PUBLIC" by app with grant option']
    assert form["column public.a.x"]["labels"] == ["p: secret"]
    assert form["table public.a"]["options"] == ["a=1", "b=2"]
    assert json.loads(json.dumps({k: dict(v) for k, v in form.items()})) == form


def test_what_belongs_to_a_cluster_changes_nothing() -> None:
    here = catalog()
    there = catalog(
        server=replace(SERVER, database="other", version_num=150001),
        relations=tuple(reversed([replace(r, bytes=99, estimated_rows=5.0, row_type=7) for r in here.relations])),
        columns=tuple(replace(c, attnum=c.attnum + 4) for c in here.columns),
        constraints=(replace(foreign_key(25, "first"), no_inherit=True), foreign_key(35, "second")),
    )
    assert compare(here, there) == ()
    assert fingerprint(here) == fingerprint(there) == fingerprint(canonical(here))


def test_each_difference_is_one_property_of_one_object() -> None:
    before = catalog()
    columns = (replace(before.columns[0], type="character varying(36)", identity=""), before.columns[1])
    after = catalog(columns=columns)
    assert compare(before, after) == (
        Difference('column public.a."Id"', "identity", "d", ""),
        Difference('column public.a."Id"', "type", "uuid", "character varying(36)"),
    )
    assert str(compare(before, after)[1]) == 'column public.a."Id": type: "uuid" -> "character varying(36)"'
    assert fingerprint(before) != fingerprint(after)


def test_added_and_removed_objects() -> None:
    before, after = catalog(), catalog(constraints=(foreign_key(20, "first"), foreign_key(30, "third")))
    added, removed = (d for d in compare(after, before) if not d.property)
    assert (added.object, added.before) == ("constraint public.a.second", None)
    assert (removed.object, removed.after) == ("constraint public.a.third", None)
    assert str(added) == "constraint public.a.second: added"
    assert str(removed) == "constraint public.a.third: removed"


def test_order_of_foreign_keys_is_that_of_their_triggers_names() -> None:
    before = catalog()
    swapped = catalog(constraints=(foreign_key(20, "second"), foreign_key(30, "first")))
    assert {(d.object, d.property) for d in compare(before, swapped)} == {
        ("table public.a", FOREIGN_KEY_ORDER),
        ("table public.b", FOREIGN_KEY_ORDER),
    }
    assert compare(before, swapped, ignoring={FOREIGN_KEY_ORDER}) == ()
    # RI_ConstraintTrigger_a_100010 sorts before RI_ConstraintTrigger_a_99990.
    grown = catalog(constraints=(foreign_key(99990, "second"), foreign_key(100010, "first")))
    assert compare(before, grown) == ()


def test_copies_of_a_foreign_key_for_partitions_are_told_by_their_target() -> None:
    """Their names are made up by the server, and come out differently when the key is made again."""

    def with_copies(one: str, two: str) -> Catalog:
        return catalog(
            constraints=(
                foreign_key(20, "key", target="p"),
                foreign_key(21, one, parent=20, target="p1"),
                foreign_key(22, two, parent=20, target="p2"),
            )
        )

    assert compare(with_copies("key_1", "key_2"), with_copies("key_2", "key_1")) == ()
    assert "constraint public.a.key to public.p2" in canonical(with_copies("key_1", "key_2"))


def test_trigger_states_of_a_foreign_key_count() -> None:
    off = replace(foreign_key(20, "first"), enforcement=(EnforcementTrigger("public.a", "RI_FKey_check_ins", "D"),))
    (difference,) = compare(catalog(), catalog(constraints=(off, foreign_key(30, "second"))))
    assert difference.property == "enforcement"
    assert difference.after == ["RI_FKey_check_ins on public.a: D"]


def test_temporary_relations_and_arrays_are_left_out() -> None:
    base = catalog()
    more = catalog(
        relations=(*base.relations, Relation(oid=9, schema="pg_temp_3", name="t", kind="r", persistence="t")),
        types=(DataType(oid=8, base_type=7, schema="public", name="_mood", kind="b"),),
    )
    assert compare(base, more) == ()


def test_domain_constraints_and_other_objects_have_keys_of_their_own() -> None:
    form = canonical(
        catalog(
            constraints=(Constraint(oid=5, domain=4, schema="public", table="email", name="ok", kind="c"),),
            functions=(
                Function(oid=6, schema="public", name="f", arguments="a uuid", body="x", definition="CREATE …"),
            ),
            others=(OtherObject(oid=7, kind="cast", identity="(uuid AS text)", definition="i"),),
        )
    )
    assert {"domain constraint public.email.ok", "function public.f(a uuid)", "cast (uuid AS text)"} < form.keys()
    assert "body" not in form["function public.f(a uuid)"]


def test_document_is_read_back() -> None:
    form = canonical(catalog())
    assert from_json(to_json(form)) == form
    assert json.loads(to_json(form))["fingerprint"] == fingerprint(form)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("[]", "no fingerprint"),
        ('{"objects": {}}', "no fingerprint"),
        ('{"format": "pgrecast fingerprint", "version": 99, "objects": {}}', "version 99"),
        ('{"format": "pgrecast fingerprint", "version": 1, "fingerprint": "0", "objects": {}}', "altered"),
        ('{"format": "pgrecast fingerprint", "version": 1, "fingerprint": "0", "objects": {"a": 1}}', "altered"),
        (to_json(canonical(catalog())).replace('"uuid"', '"text"', 1), "altered"),
    ],
)
def test_what_is_no_fingerprint_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        from_json(text)
    assert refused.value.advice
