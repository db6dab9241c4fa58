"""How fast a conversion is: against an expert's script, against the column-by-column way, and what each proof costs.

All of it on the same data, in the same run, in interleaved rounds, as ratios of times; medians over the rounds.

    python tests/benchmarks/bench_conversion.py [--rows 500000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from core.events import Event, PhaseFinished, ProofMade
from core.postgres.connect import ConnectionSpec
from core.postgres.embedded import EmbeddedServer
from core.retype.execute import Conversion
from core.retype.execution_options import ExecutionOptions
from core.retype.model import ProofDepth
from core.retype.statement_log import StatementLog
from tests.conversions import Recorder, make_plan_of
from tests.databases import Server, create_database

TABLES = 40
FOREIGN_KEYS = 100
SETTINGS = {"fsync": "off", "shared_buffers": "512MB", "max_wal_size": "8GB", "autovacuum": "off"}


@dataclass(frozen=True)
class ForeignKey:
    table: str
    column: str
    target: str

    @property
    def name(self) -> str:
        return f"{self.table}_{self.column}_fkey"

    @property
    def added(self) -> str:
        return f"ADD CONSTRAINT {self.name} FOREIGN KEY ({self.column}) REFERENCES {self.target} (id) ON DELETE CASCADE"


@dataclass(frozen=True)
class Schema:
    """Tables by name with their rows, and the keys between them."""

    rows: dict[str, int]
    keys: tuple[ForeignKey, ...]

    def of(self, table: str) -> list[ForeignKey]:
        return [key for key in self.keys if key.table == table]


def generate(rows: int, seed: int = 7) -> Schema:
    """A skewed schema: a few tables hold most of the rows, each references earlier ones."""
    chance = random.Random(seed)
    weights = [1 / (1 + place) for place in range(TABLES)]
    chance.shuffle(weights)
    sizes = {f"t{n:02}": max(50, round(rows * w / sum(weights))) for n, w in enumerate(weights)}
    names = list(sizes)
    keys: list[ForeignKey] = []
    while len(keys) < FOREIGN_KEYS:
        table = chance.randrange(1, TABLES)
        target = names[chance.randrange(table)]
        column = f"ref{sum(key.table == names[table] for key in keys)}_id"
        keys.append(ForeignKey(names[table], column, target))
    return Schema(sizes, tuple(keys))


async def fill(connection: asyncpg.Connection, schema: Schema) -> None:
    for table, rows in schema.rows.items():
        keys = schema.of(table)
        columns = "".join(f", {key.column} uuid" for key in keys)
        await connection.execute(
            f"CREATE TABLE {table} (id uuid DEFAULT gen_random_uuid(){columns}, name text, amount numeric(12,2),"
            " created timestamptz DEFAULT now())"
        )
        ids = "".join(f", (SELECT array_agg(id) FROM {key.target}) AS a{n}" for n, key in enumerate(keys))
        values = "".join(f", a{n}[1 + (random() * (cardinality(a{n}) - 1))::int]" for n in range(len(keys)))
        await connection.execute(
            f"INSERT INTO {table} SELECT gen_random_uuid(){values}, 'name ' || n, n / 7.0, now()"
            f" FROM generate_series(1, {rows}) n, (SELECT 1{ids}) arrays"
        )
        await connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
        for key in keys[::2]:
            await connection.execute(f"CREATE INDEX ON {table} ({key.column})")
    for key in schema.keys:
        await connection.execute(f"ALTER TABLE {key.table} {key.added}")
    await connection.execute("VACUUM ANALYZE")


def expert_script(schema: Schema) -> list[str]:
    """One ALTER TABLE for all columns of a table, the keys dropped before and added again after."""
    return [
        *(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}" for key in schema.keys),
        *(
            f"ALTER TABLE {table} "
            + ", ".join(
                f"ALTER COLUMN {column} TYPE varchar(36) USING {column}::text"
                for column in ("id", *(key.column for key in schema.of(table)))
            )
            for table in schema.rows
        ),
        *(f"ALTER TABLE {key.table} {key.added}" for key in schema.keys),
    ]


def column_by_column_script(schema: Schema) -> list[str]:
    return [
        *(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}" for key in schema.keys),
        *(f"ALTER TABLE {table} ALTER COLUMN id TYPE varchar(36) USING id::text" for table in schema.rows),
        *(
            f"ALTER TABLE {k.table} ALTER COLUMN {k.column} TYPE varchar(36) USING {k.column}::text"
            for k in schema.keys
        ),
        *(f"ALTER TABLE {key.table} {key.added}" for key in schema.keys),
    ]


async def by_script(spec: ConnectionSpec, script: list[str]) -> float:
    connection = await asyncpg.connect(
        host=spec.host,
        port=spec.port,
        user=spec.user,
        database=spec.database,
        password=spec.password.get_secret_value() if spec.password else None,
    )
    began = time.monotonic()
    async with connection.transaction():
        for statement in script:
            await connection.execute(statement)
    seconds = time.monotonic() - began
    await connection.close()
    return seconds


@dataclass(frozen=True)
class Run:
    """Seconds of one conversion.

    Attributes:
        statements: phases 2 to 5 and COMMIT: what an expert's script does too.
        locking: locks, reading the catalog and planning again under them.
        proof: reading the rows before, and phase 6.
    """

    statements: float
    locking: float
    proof: float


class Stopwatch(Recorder):
    """Events with the time of their arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, float] = {}

    async def publish(self, event: Event) -> None:
        await super().publish(event)
        self.times[event.kind] = time.monotonic()


async def by_conversion(spec: ConnectionSpec, depth: ProofDepth) -> Run:
    planned = await make_plan_of(spec)
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as directory, StatementLog(Path(directory, "log.sql")) as statement_log:
        conversion = Conversion(
            spec,
            planned.plan,
            step="bench",
            target="bench",
            replan=planned.replan,
            publish=watch.publish,
            read=watch.read,
            log=statement_log,
            options=ExecutionOptions(proof=depth),
        )
        async with conversion:
            await conversion.lock()
            await conversion.run()
            await conversion.prove()
            reading = conversion.timings.proof[depth]
            await conversion.commit()
    phases = {event.phase: event.seconds for event in watch.of(PhaseFinished)}
    (proof,) = watch.of(ProofMade)
    reading_before = reading / 2
    return Run(
        statements=sum(phases[n] for n in (2, 3, 4, 5)) + watch.times["transaction_ended"] - watch.times["commit_sent"],
        locking=phases[1] - reading_before,
        proof=proof.seconds + reading_before,
    )


Variant = Callable[[ConnectionSpec], Awaitable[float | Run]]


async def compare(server: Server, rows: int, rounds: int) -> None:
    schema = generate(rows)
    database = await create_database(server)
    connection = await database.connect()
    began = time.monotonic()
    await fill(connection, schema)
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    print(
        f"{sum(schema.rows.values()):,} rows in {len(schema.rows)} tables with {len(schema.keys)} foreign keys,"
        f" {size / 1e6:.0f} MB, made in {time.monotonic() - began:.0f} s; {rounds} rounds, medians"
    )
    depths: tuple[ProofDepth, ...] = ("catalog", "counts", "contents")
    variants: dict[str, Variant] = {
        "expert": lambda spec: by_script(spec, expert_script(schema)),
        **{d: lambda spec, d=d: by_conversion(spec, d) for d in depths},
        "columns": lambda spec: by_script(spec, column_by_column_script(schema)),
    }
    results: list[dict[str, float | Run]] = []
    superuser = await server.connect()
    for number in range(rounds):
        order = list(variants)
        order = order[number % len(order) :] + order[: number % len(order)]
        result: dict[str, float | Run] = {}
        for name in order:
            await superuser.execute(f"CREATE DATABASE bench OWNER {database.owner} TEMPLATE {database.name}")
            await superuser.execute("CHECKPOINT")
            result[name] = await variants[name](database.spec.with_database("bench"))
            await superuser.execute("DROP DATABASE bench WITH (FORCE)")
        results.append(result)
    await superuser.close()
    report(results, depths)


def report(results: list[dict[str, float | Run]], depths: Sequence[ProofDepth]) -> None:
    def median(value: Callable[[dict[str, float | Run]], float]) -> float:
        return statistics.median(value(result) for result in results)

    def script(result: dict[str, float | Run], name: str) -> float:
        seconds = result[name]
        assert isinstance(seconds, float)
        return seconds

    def run(result: dict[str, float | Run], depth: str) -> Run:
        found = result[depth]
        assert isinstance(found, Run)
        return found

    def unproved(result: dict[str, float | Run], depth: str = "catalog") -> float:
        return run(result, depth).statements + run(result, depth).locking

    print(f"expert's script                              {median(lambda r: script(r, 'expert')):8.2f} s")
    print(
        f"conversion without the proof / expert        {median(lambda r: unproved(r) / script(r, 'expert')):8.2f}  (aim: at most 1.05)"
    )
    print(
        f"  its statements and COMMIT alone / expert   {median(lambda r: run(r, 'catalog').statements / script(r, 'expert')):8.2f}"
    )
    print(
        f"column by column / conversion without proof  {median(lambda r: script(r, 'columns') / unproved(r)):8.2f}  (aim: at least 2.5)"
    )
    for depth in depths:
        cost = median(lambda r, depth=depth: 1 + run(r, depth).proof / unproved(r, depth))
        print(f"conversion with proof {depth:9} / without     {cost:8.2f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-bench-"))
    try:
        embedded = await EmbeddedServer.start(directory, settings=SETTINGS)
        try:
            await compare(Server.from_embedded(embedded), given.rows, given.rounds)
        finally:
            await embedded.stop("immediate")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    asyncio.run(main())
