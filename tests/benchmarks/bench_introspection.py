"""How fast a catalog is read: against `pg_dump --schema-only` of the same database, in paired rounds, as ratios of times.

python tests/benchmarks/bench_introspection.py [--tables 1000] [--rounds 9] [--connections 1 2 4]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from core.postgres.embedded import EmbeddedServer
from core.postgres.fingerprint import canonical, fingerprint
from core.postgres.inspect import InspectionProgress, inspect, inspect_within
from tests.databases import Database, Server, create_database
from tests.sessions import session

SETTINGS = {"fsync": "off", "autovacuum": "off"}


async def build(database: Database, tables: int) -> None:
    """Make tables with keys, defaults, checks, indexes and comments, and two foreign keys from each."""
    async with session(database.spec) as connection:
        for i in range(tables):
            await connection.execute(
                f"""
                CREATE TABLE t{i} (
                  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), parent_id uuid NOT NULL, other_id uuid,
                  name varchar(120) NOT NULL, status text DEFAULT 'new' CHECK (status <> ''), amount numeric(12,2),
                  created_at timestamptz NOT NULL DEFAULT now(), data jsonb);
                CREATE INDEX t{i}_parent ON t{i} (parent_id);
                COMMENT ON TABLE t{i} IS 'table {i}'
                """
            )
        for i in range(tables):
            await connection.execute(
                f"""
                ALTER TABLE t{i} ADD CONSTRAINT t{i}_parent_fk
                  FOREIGN KEY (parent_id) REFERENCES t{i * 7 % tables} ON DELETE CASCADE;
                ALTER TABLE t{i} ADD CONSTRAINT t{i}_other_fk FOREIGN KEY (other_id) REFERENCES t{i * 13 % tables}
                """
            )
        await connection.execute("ANALYZE")


def dump(database: Database) -> float:
    command = [database.server.binary("pg_dump"), "--schema-only", "--file=/dev/null"]
    started = time.perf_counter()
    subprocess.run(command, env={**os.environ, **database.environment}, check=True)
    return time.perf_counter() - started


async def read(database: Database, connections: int) -> float:
    gc.collect()
    started = time.perf_counter()
    await inspect(database.spec, connections=connections)
    return time.perf_counter() - started


async def read_within(database: Database) -> float:
    async with session(database.spec) as connection, connection.transaction():
        gc.collect()
        started = time.perf_counter()
        await inspect_within(connection)
        return time.perf_counter() - started


async def compare(database: Database, connections: Sequence[int], rounds: int) -> None:
    dumps: list[float] = []
    ours: dict[str, list[float]] = {f"inspect, {n} connections": [] for n in connections}
    ours["inspect_within"] = []
    for _ in range(rounds):
        dumps.append(dump(database))
        for n in connections:
            ours[f"inspect, {n} connections"].append(await read(database, n))
        ours["inspect_within"].append(await read_within(database))
    print(f"pg_dump --schema-only: {statistics.median(dumps):.3f} s")
    for name, times in ours.items():
        ratio = statistics.median(t / d for t, d in zip(times, dumps, strict=True))
        print(f"{name}: {statistics.median(times):.3f} s, ratio {ratio:.2f}")


async def details(database: Database) -> None:
    seen: list[InspectionProgress] = []
    catalog = await inspect(database.spec, connections=1, progress=seen.append)
    print("the longest queries on one connection, in ms:", end=" ")
    print(", ".join(f"{p.name} {p.seconds * 1000:.0f}" for p in sorted(seen, key=lambda p: -p.seconds)[:6]))
    started = time.perf_counter()
    form = canonical(catalog)
    made = time.perf_counter()
    fingerprint(form)
    print(f"canonical form: {len(form)} objects, {made - started:.3f} s; hash: {time.perf_counter() - made:.3f} s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="pgrecast-bench-"))
    try:
        embedded = await EmbeddedServer.start(directory, settings=SETTINGS)
        try:
            database = await create_database(Server.from_embedded(embedded))
            await build(database, given.tables)
            print(f"{given.tables} tables, {2 * given.tables} foreign keys, {given.rounds} rounds, medians")
            await compare(database, given.connections, given.rounds)
            await details(database)
        finally:
            await embedded.stop("immediate")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    asyncio.run(main())
