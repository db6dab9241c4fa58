"""Random schemas with random dependents, for hypothesis: what a conversion meets that nobody has thought of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from core.postgres.sql import quote_identifier, quote_literal
from core.retype.model import TypePair
from core.retype.types import parse_type_pair

Draw = Callable[..., Any]

ROWS: Final = 4
SCHEMAS: Final = ("public", "Odd S")
NAMES: Final = ("plain{}", "Mixed{}", "with space{}", 'quo"te{}', "select{}", "ünï{}", "x" * 57 + "{:06}")
COMMENTS: Final = ("a", "it's", "b\\c", "ü")
ACTIONS: Final = (
    "",
    " ON DELETE CASCADE",
    " ON DELETE SET NULL",
    " ON UPDATE CASCADE",
    " ON DELETE RESTRICT ON UPDATE CASCADE",
)


@dataclass(frozen=True)
class Direction:
    """A pair of types, and how ids of the source type are written.

    Attributes:
        key: the SQL of the id number `{n}`.
        default: a default for key columns, None for none.
    """

    types: TypePair
    key: str
    default: str | None

    @property
    def source(self) -> str:
        return self.types.source

    def id(self, n: int) -> str:
        return self.key.replace("{n}", str(n))


def _direction(source: str, target: str, collation: str | None = None) -> Direction:
    types = parse_type_pair(source, target, collation)
    if types.source == "uuid":
        return Direction(types, "md5('{n}')::uuid", "gen_random_uuid()")
    if types.source in ("integer", "bigint"):
        return Direction(types, f"{{n}}::{types.source}", "7")
    return Direction(types, "md5('{n}')::uuid::text", "gen_random_uuid()::text")


DIRECTIONS: Final = (
    _direction("uuid", "varchar(36)"),
    _direction("varchar(36)", "uuid"),
    _direction("uuid", "text"),
    _direction("text", "uuid"),
    _direction("uuid", "varchar(64)", "C"),
    _direction("int", "bigint"),
    _direction("bigint", "int"),
    _direction("varchar(36)", "text"),
)


@dataclass
class Table:
    schema: str
    name: str
    number: int
    kind: str
    """plain, composite, partitioned, or parent."""
    keys: list[str] = field(default_factory=lambda: ["id"])
    """Columns of the keys' type, quoted."""
    children: list[str] = field(default_factory=list[str])
    """Its partitions, or the tables that inherit from it."""
    has_check: bool = False
    has_virtual: bool = False

    @property
    def sql(self) -> str:
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    @property
    def is_composite(self) -> bool:
        return self.kind in ("composite", "partitioned")


@dataclass(frozen=True)
class GeneratedSchema:
    direction: Direction
    statements: tuple[str, ...]

    def __str__(self) -> str:
        types = self.direction.types
        return f"-- {types.source} to {types.target} {types.collation or ''}\n" + ";\n".join(self.statements) + ";"


class _Builder:
    def __init__(self, draw: Draw, version: int, *, repairs: bool) -> None:
        self.draw = draw
        self.version = version
        self.repairs = repairs
        self.direction: Direction = draw(st.sampled_from(DIRECTIONS))
        self.statements: list[str] = ['CREATE SCHEMA "Odd S"']
        self.tables: list[Table] = []
        self.views: list[str] = []
        self.count = 0

    # --- drawing ---

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def maybe(self, text: str) -> str:
        return text if self.draw(st.booleans()) else ""

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def one_of(self, *expressions: str, mixed: str = "", key: str = "id", row: str = "") -> str:
        """One of the expressions that PostgreSQL still takes after the change of type, unless repairs are to be made.

        Args:
            mixed: where a condition may stand that only a repair carries through, as `{}`.
            key: the column that it is about.
            row: what goes before it, as `OLD.`
        """
        conditions = self.mixed(row, key)
        expressions = (*expressions, *(mixed.replace("{}", condition) for condition in conditions if mixed))
        types = self.direction.types
        lost: tuple[str, ...] = ()
        if (
            types.target == "uuid" and not self.repairs
        ):  # of a text the cast is gone, of a varchar it hides in the subquery
            lost = ("::text",) if types.source == "text" else (" IN (SELECT",)
        return self.one(*[e for e in expressions if not any(piece in e for piece in lost)])

    def name(self) -> str:
        self.count += 1
        return self.one(*NAMES).format(self.count)

    def fresh(self) -> str:
        return quote_identifier(self.name())

    def in_schema(self, schema: str | None = None) -> str:
        return f"{quote_identifier(schema or self.one(*SCHEMAS))}.{self.fresh()}"

    def table(self, *kinds: str) -> Table:
        return self.one(*[t for t in self.tables if not kinds or t.kind in kinds] or self.tables)

    def add(self, *statements: str) -> None:
        self.statements += statements

    def comment(self, what: str) -> None:
        if self.flag():
            self.add(f"COMMENT ON {what} IS {quote_literal(self.one(*COMMENTS))}")

    # --- tables ---

    def build(self) -> GeneratedSchema:
        for number in range(self.draw(st.integers(2, 4))):
            self.make_table(number)
        for table in self.tables:
            for _ in range(self.draw(st.integers(0, 2))):
                self.make_reference(table)
        for make in self.draw(st.lists(st.sampled_from(DEPENDENTS), min_size=2, max_size=9)):
            make(self)
        return GeneratedSchema(self.direction, tuple(self.statements))

    def make_table(self, number: int) -> None:
        kind = self.one("plain", "plain", "composite", "partitioned", "parent")
        table = Table(self.one(*SCHEMAS), self.name(), number, kind)
        source = self.direction.source
        default = self.maybe(f" DEFAULT {self.direction.default}") if self.direction.default else ""
        if source in ("integer", "bigint") and kind != "parent":
            default = self.one(default, " GENERATED BY DEFAULT AS IDENTITY") if kind != "partitioned" else default
        primary = "PRIMARY KEY (id, k)" if table.is_composite else "PRIMARY KEY (id)"
        unique = self.maybe(", UNIQUE (id, k)") if not table.is_composite else ""
        partition = " PARTITION BY RANGE (k)" if kind == "partitioned" else ""
        self.add(
            f"CREATE TABLE {table.sql} (id {source}{default}, k smallint NOT NULL, note text DEFAULT 'n', other {source}, n int, "
            f"{primary}{unique}){partition}"
        )
        if kind == "partitioned":
            for bounds in ("FROM (0) TO (2)", "FROM (2) TO (100)"):
                child = self.in_schema()
                table.children.append(child)
                self.add(f"CREATE TABLE {child} PARTITION OF {table.sql} FOR VALUES {bounds}")
        if kind == "parent":
            child = self.in_schema()
            table.children.append(child)
            self.add(f"CREATE TABLE {child} (own text, UNIQUE (id)) INHERITS ({table.sql})")
            if self.direction.default and self.flag():
                self.add(f"ALTER TABLE {child} ALTER id SET DEFAULT {self.direction.id(99)}")
        for row in range(ROWS):
            self.add(self.insert(table, row))
        self.tables.append(table)

    def insert(self, table: Table, row: int) -> str:
        return (
            f"INSERT INTO {table.sql} (id, k, other, n) "
            f"VALUES ({self.direction.id(10 * table.number + row)}, {row}, {self.direction.id(row)}, {row})"
        )

    def make_reference(self, table: Table) -> None:
        target = self.one(*[t for t in self.tables if t.number <= table.number and t.kind != "parent"] or [table])
        if target.kind == "parent":
            return
        column, constraint = self.fresh(), self.fresh()
        source = self.direction.source
        action = self.one(*ACTIONS)
        deferrable = self.one("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED")
        partitioned = "partitioned" in (table.kind, target.kind)
        valid = "" if partitioned else self.maybe(" NOT VALID")
        self.add(f"ALTER TABLE {table.sql} ADD COLUMN {column} {source}")
        of_row = f"(CASE k {' '.join(f'WHEN {r} THEN {self.direction.id(10 * target.number + r)}' for r in range(ROWS))} END)"
        self.add(f"UPDATE {table.sql} SET {column} = {of_row} WHERE k <> 1", "SET CONSTRAINTS ALL IMMEDIATE")
        here, there = (f"{column}, k", "id, k") if target.is_composite else (column, "id")
        match = self.maybe(" MATCH FULL") if not target.is_composite else ""
        if "SET NULL" in action and target.is_composite:
            action = f" ON DELETE SET NULL ({column})" if self.version >= 15 else ""
        self.add(
            f"ALTER TABLE {table.sql} ADD CONSTRAINT {constraint} FOREIGN KEY ({here}) REFERENCES {target.sql} ({there})"
            f"{match}{action}{deferrable}{valid}"
        )
        table.keys.append(column)
        self.comment(f"CONSTRAINT {constraint} ON {table.sql}")

    # --- what only a repair carries through ---

    def mixed(self, row: str, key: str) -> tuple[str, ...]:
        """Conditions that set a key beside something that keeps its type; `row` goes before its columns."""
        literal, types = self.direction.id(11), self.direction.types
        if not self.repairs or "uuid" not in (types.source, types.target):
            return ()
        id_, other = f"{row}{key}", f"{row}other"
        return (
            f"{id_} = {literal}",
            f"{id_} = ANY (ARRAY[{literal}, {literal}])",
            f"{id_} IS DISTINCT FROM {other}",
            f"coalesce({id_}, {other}) IS NOT NULL",
            f"{other} = {id_}",
        )

    # --- what hangs on them ---

    def key(self, table: Table) -> str:
        return self.one(*table.keys)

    def view(self) -> None:
        table, view = self.table(), self.in_schema("public")
        body = self.one_of(
            f"SELECT {self.key(table)} AS a, k, note FROM {table.sql} WHERE {self.key(table)} IS NOT NULL",
            f"SELECT x.id, y.id AS b FROM {table.sql} x JOIN {table.sql} y ON x.{self.key(table)} = y.{self.key(table)}",
            f"SELECT {table.keys[-1]}::text || '!' AS a, count(*) AS c FROM {table.sql} GROUP BY {table.keys[-1]}, k",
            f"SELECT id, note FROM {table.sql} GROUP BY id{', k' if table.is_composite else ''}",
            f"SELECT coalesce({self.key(table)}, id) AS a FROM {table.sql} ORDER BY 1",
            f"SELECT array_agg(id) AS ids, max(note) AS note FROM {table.sql}",
            f"SELECT id FROM {table.sql} UNION SELECT {self.key(table)} FROM {table.sql}",
            f"SELECT t.id, row_number() OVER (PARTITION BY t.{self.key(table)} ORDER BY k) FROM {table.sql} t",
            f"SELECT id FROM {table.sql} WHERE id IN (SELECT {self.key(table)} FROM {table.sql})",
            f"SELECT CASE WHEN k > 1 THEN id ELSE {self.key(table)} END AS c, to_jsonb(t) AS j FROM {table.sql} t",
            f"SELECT * FROM {table.sql}",
            mixed=f"SELECT id, {{}} AS m FROM {table.sql} WHERE {{}}",
        )
        options = self.maybe(" WITH (security_barrier)")
        self.add(f"CREATE VIEW {view}{options} AS {body}")
        self.views.append(view)
        self.comment(f"VIEW {view}")
        if self.flag():
            self.add(f"GRANT SELECT ON {view} TO {{other}} WITH GRANT OPTION", f"GRANT ALL ON {view} TO {{reader}}")
        if self.flag():
            self.add(f"ALTER VIEW {view} OWNER TO {{other}}")

    def nested_view(self) -> None:
        if self.views:
            view = self.in_schema("public")
            self.add(f"CREATE VIEW {view} AS SELECT v.*, 1 AS one FROM {self.one(*self.views)} v")
            self.comment(f"VIEW {view}")

    def materialized_view(self) -> None:
        table, view, index = self.table(), self.in_schema(), self.fresh()
        self.add(
            f"CREATE MATERIALIZED VIEW {view} AS SELECT {self.key(table)} AS a, count(*) AS c FROM {table.sql} "
            f"GROUP BY 1{self.maybe(' WITH NO DATA')}",
            f"CREATE INDEX {index} ON {view} (a, c){self.maybe(' WHERE c > 0')}",
        )
        self.comment(f"MATERIALIZED VIEW {view}")
        self.views.append(view)

    def index(self) -> None:
        table, index = self.table(), self.fresh()
        key = self.key(table)
        what = self.one_of(
            f"({key})",
            f"({key} DESC NULLS LAST, k)",
            f"(({key}::text))",
            f"(left({key}::text, 8), k)",
            f"(k) WHERE {key} IS NOT NULL",
            f"(note) WHERE {key} <> id",
            f"(k) INCLUDE ({key})",
            f"USING hash ({key})",
            f"USING brin ({key}) WITH (pages_per_range = 4)",
            f"(coalesce({key}, id))",
            f"((CASE WHEN {key} = id THEN 1 ELSE k END))",
            mixed="(k) WHERE {}",
            key=key,
        )
        self.add(f"CREATE INDEX {index} ON {table.sql} {what}")
        schema = quote_identifier(table.schema)
        self.comment(f"INDEX {schema}.{index}")
        if what.startswith("(left(") and self.flag():
            self.add(f"ALTER INDEX {schema}.{index} ALTER COLUMN 1 SET STATISTICS 7")
        if table.kind in ("plain", "composite") and what == f"({key})" and self.flag():
            self.add(f"ALTER TABLE {table.sql} CLUSTER ON {index}")

    def unique(self) -> None:
        table, constraint = self.table("plain", "composite", "parent"), self.fresh()
        if table.kind != "partitioned":
            columns = self.one("k, id", f"{table.keys[-1]}, k, n")
            self.add(
                f"ALTER TABLE {table.sql} ADD CONSTRAINT {constraint} UNIQUE ({columns}){self.maybe(' DEFERRABLE')}"
            )
            self.comment(f"CONSTRAINT {constraint} ON {table.sql}")

    def check(self) -> None:
        table, constraint = self.table(), self.fresh()
        if table.has_virtual:
            return
        table.has_check = True
        key = self.key(table)
        what = self.one_of(
            f"({key} IS NOT NULL OR k >= 0)",
            f"({key} = {key})",
            f"(id <> {key} OR n IS NOT NULL)",
            f"(coalesce({key}, id) IS NOT NULL)",
            f"(length({key}::text) < 100)",
            mixed="(({}) IS NOT NULL)",
            key=key,
        )
        self.add(f"ALTER TABLE {table.sql} ADD CONSTRAINT {constraint} CHECK {what}{self.maybe(' NOT VALID')}")
        self.comment(f"CONSTRAINT {constraint} ON {table.sql}")

    def policy(self) -> None:
        table, policy, other = self.table(), self.fresh(), self.table()
        what = self.one_of(
            f"FOR SELECT TO {{reader}} USING ({self.key(table)} = id)",
            f"USING (EXISTS (SELECT FROM {other.sql} o WHERE o.{self.key(other)} IS NOT NULL))",
            f"AS RESTRICTIVE FOR INSERT WITH CHECK ({self.key(table)}::text <> 'x')",
            f"FOR UPDATE TO {{reader}}, {{other}} USING (k > 0) WITH CHECK ({self.key(table)} IS NOT NULL)",
            mixed="FOR DELETE USING ({})",
        )
        self.add(f"CREATE POLICY {policy} ON {table.sql} {what}")
        self.comment(f"POLICY {policy} ON {table.sql}")
        if self.flag():
            self.add(f"ALTER TABLE {table.sql} ENABLE ROW LEVEL SECURITY")

    def trigger(self) -> None:
        table, trigger, function = self.table(), self.fresh(), self.in_schema()
        self.add(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := ''t''; RETURN NEW; END'"
        )
        key = self.key(table)
        what = self.one_of(
            f"BEFORE UPDATE OF {key} ON {table.sql} FOR EACH ROW",
            f"AFTER INSERT OR UPDATE OF k, {key} ON {table.sql} FOR EACH ROW",
            f"BEFORE UPDATE ON {table.sql} FOR EACH ROW WHEN (OLD.{key} IS DISTINCT FROM NEW.{key})",
            f"BEFORE INSERT ON {table.sql} FOR EACH ROW WHEN (NEW.{key} IS NOT NULL)",
            mixed=f"BEFORE UPDATE ON {table.sql} FOR EACH ROW WHEN ({{}})",
            key=key,
            row="OLD.",
        )
        self.add(f"CREATE TRIGGER {trigger} {what} EXECUTE FUNCTION {function}()")
        self.comment(f"TRIGGER {trigger} ON {table.sql}")
        state = self.one("", "DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS")
        if state:
            self.add(f"ALTER TABLE {table.sql} {state} TRIGGER {trigger}")

    def rule(self) -> None:
        table, rule = self.table("plain", "composite"), self.fresh()
        if table.kind in ("plain", "composite"):
            self.add(
                f"CREATE RULE {rule} AS ON UPDATE TO {table.sql} WHERE NEW.{self.key(table)} IS NULL AND OLD.k > 90 "
                "DO INSTEAD NOTHING"
            )
            self.comment(f"RULE {rule} ON {table.sql}")

    def instead_of(self) -> None:
        table, view, function = self.table(), self.in_schema("public"), self.in_schema()
        self.add(
            f"CREATE VIEW {view} AS SELECT id, k FROM {table.sql}",
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            f"CREATE TRIGGER {self.fresh()} INSTEAD OF INSERT OR UPDATE ON {view} FOR EACH ROW EXECUTE FUNCTION {function}()",
        )
        self.views.append(view)

    def sql_function(self) -> None:
        if self.version < 14:
            return
        table, function = self.table(), self.in_schema("public")
        self.add(
            f"CREATE FUNCTION {function}(a int) RETURNS bigint STABLE LANGUAGE sql BEGIN ATOMIC "
            f"SELECT count({self.key(table)}) + a FROM {table.sql}; END"
        )
        self.comment(f"FUNCTION {function}(int)")
        if self.flag():
            self.add(
                f"REVOKE EXECUTE ON FUNCTION {function}(int) FROM PUBLIC",
                f"GRANT EXECUTE ON FUNCTION {function}(int) TO {{reader}}",
            )
        if self.flag():
            view = self.in_schema("public")
            self.add(f"CREATE VIEW {view} AS SELECT {function}(1) AS f")
        if self.flag():
            self.add(f"ALTER TABLE {self.table().sql} ALTER n SET DEFAULT {function}(2)")

    def plain_function(self) -> None:
        table = self.table()
        self.add(
            f"CREATE FUNCTION {self.in_schema()}(a text) RETURNS bigint LANGUAGE plpgsql AS "
            f"{quote_literal(f'BEGIN RETURN (SELECT count(*) FROM {table.sql} WHERE {self.key(table)}::text = a); END')}"
        )

    def statistics(self) -> None:
        table, statistics = self.table("plain", "composite", "partitioned"), self.in_schema()
        key = self.key(table)
        what = self.one_of(
            f"{key}, k", f"(ndistinct) ON {key}, n", f"({key}::text), note" if self.version >= 14 else f"{key}, note"
        )
        what = what if " ON " in what else f"ON {what}"
        self.add(f"CREATE STATISTICS {statistics} {what} FROM {table.sql}")
        self.comment(f"STATISTICS {statistics}")
        if self.flag():
            self.add(f"ALTER STATISTICS {statistics} SET STATISTICS 9")

    def generated_column(self) -> None:
        table = self.table("plain", "composite")
        expression = self.one_of(f"{self.key(table)}::text || '!'", "note")
        if self.version < 17 or table.kind not in ("plain", "composite") or expression == "note":
            return
        kind = self.one("STORED", "VIRTUAL") if self.version >= 18 and not table.has_check else "STORED"
        table.has_virtual |= kind == "VIRTUAL"
        if kind == "STORED" and self.flag():
            expression, kind = "id::text || '!'", "STORED NOT NULL"
        self.add(f"ALTER TABLE {table.sql} ADD {self.fresh()} text GENERATED ALWAYS AS ({expression}) {kind}")

    def settings(self) -> None:
        table = self.table()
        key = self.key(table)
        self.add(
            self.one(
                f"ALTER TABLE {table.sql} ALTER {key} SET STATISTICS 77",
                f"ALTER TABLE {table.sql} ALTER {key} SET (n_distinct = -0.5)",
                f"COMMENT ON COLUMN {table.sql}.{key} IS 'c'",
                f"COMMENT ON TABLE {table.sql} IS 't'",
                f"GRANT SELECT ({key}), UPDATE ({key}, k) ON {table.sql} TO {{reader}}",
                f"GRANT SELECT ON {table.sql} TO {{other}} WITH GRANT OPTION",
                f"GRANT INSERT ON {table.sql} TO PUBLIC",
                f"ALTER TABLE {table.sql} ALTER id SET NOT NULL",
                "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {reader}",
            )
        )

    def string_settings(self) -> None:
        table = self.table("plain", "composite")
        if "char" in self.direction.source or self.direction.source == "text":
            self.add(
                self.one(
                    f"ALTER TABLE {table.sql} ALTER {self.key(table)} SET STORAGE EXTERNAL",
                    f"ALTER TABLE {table.sql} ALTER {self.key(table)} SET COMPRESSION pglz",
                )
            )

    def serial(self) -> None:
        if self.direction.source not in ("integer", "bigint"):
            return
        kind = "serial" if self.direction.source == "integer" else "bigserial"
        table = self.in_schema()
        self.add(
            f"CREATE TABLE {table} (id {kind} PRIMARY KEY, k text)", f"INSERT INTO {table} (k) VALUES ('a'), ('b')"
        )


DEPENDENTS: Final = (
    _Builder.view,
    _Builder.view,
    _Builder.nested_view,
    _Builder.materialized_view,
    _Builder.index,
    _Builder.index,
    _Builder.unique,
    _Builder.check,
    _Builder.policy,
    _Builder.trigger,
    _Builder.rule,
    _Builder.instead_of,
    _Builder.sql_function,
    _Builder.plain_function,
    _Builder.statistics,
    _Builder.generated_column,
    _Builder.settings,
    _Builder.string_settings,
    _Builder.serial,
)


@st.composite
def schemas(draw: Draw, version: int, *, repairs: bool = False) -> GeneratedSchema:
    """A schema for a server of that major version, with rows; `{reader}` and `{other}` stand for two roles.

    Args:
        repairs: whether it may have expressions that a conversion must repair.
    """
    return _Builder(draw, version, repairs=repairs).build()
