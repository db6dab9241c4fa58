"""The command line as scripts use it: the real program in a process of its own, its output and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from core.postgres.scram import scram_verifier
from core.secrets.keep import Kept
from core.secrets.login import Login
from tests.databases import Database
from tui.cli import main
from tui.cli import status as status_command

# Mixed case, reserved words, two schemas; views on views, a policy, a trigger, a materialized view; no Alembic.
SHOP = """
CREATE SCHEMA "Order Desk";
CREATE TABLE "User" (
  "Id" uuid PRIMARY KEY DEFAULT gen_random_uuid(), "select" text, "Boss" uuid REFERENCES "User" ON DELETE SET NULL);
CREATE TABLE "Order Desk"."order" (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "user" uuid NOT NULL REFERENCES "User" ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  "from" uuid REFERENCES "User", total numeric, UNIQUE (id, "user"));
CREATE TABLE "Order Desk"."Line""Item" (
  "order" uuid, "user" uuid, n int, PRIMARY KEY ("order", n),
  FOREIGN KEY ("order", "user") REFERENCES "Order Desk"."order" (id, "user") MATCH FULL ON UPDATE CASCADE);
CREATE INDEX "Idx On User" ON "Order Desk"."order" ("user") WHERE "from" IS NOT NULL;
CREATE VIEW "View Of Orders" AS
  SELECT o.id, u."select" FROM "Order Desk"."order" o JOIN "User" u ON u."Id" = o."user";
CREATE VIEW nested AS SELECT * FROM "View Of Orders";
CREATE MATERIALIZED VIEW mv AS SELECT "user", count(*) AS n FROM "Order Desk"."order" GROUP BY 1;
CREATE UNIQUE INDEX ON mv ("user");
CREATE POLICY "mine only" ON "User" USING ("Id"::text = current_setting('app.me', true));
ALTER TABLE "User" ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION "Touch"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "T 1" BEFORE UPDATE OF "user" ON "Order Desk"."order" FOR EACH ROW
  WHEN (OLD."user" IS DISTINCT FROM NEW."user") EXECUTE FUNCTION "Touch"();
ALTER TABLE "Order Desk"."order" ADD CONSTRAINT "not self" CHECK ("user" <> "from") NOT VALID;
GRANT SELECT ON "View Of Orders" TO PUBLIC;
COMMENT ON VIEW nested IS 'It''s nested';
INSERT INTO "User" ("select") SELECT 'u' || g FROM generate_series(1, 50) g;
INSERT INTO "Order Desk"."order" ("user", total) SELECT "Id", 1 FROM "User";
INSERT INTO "Order Desk"."Line""Item" SELECT id, "user", 1 FROM "Order Desk"."order";
REFRESH MATERIALIZED VIEW mv;
"""


class CommandLine:
    """Runs the program with a state directory and a configuration of its own."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PGRECAST_POSTGRES_BIN") if name in os.environ}
        self.environment = {
            **kept, "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config"),
            **environment,
        }  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tui.cli", *arguments],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def facts(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The one JSON document on standard output, which is all that stands there."""
        done = self.run(*arguments, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def command(tmp_path: Path, database: Database) -> CommandLine:
    return CommandLine(tmp_path, {"PGPASSWORD": database.password.get_secret_value()})


@pytest.fixture
async def shop(database: Database) -> Database:
    connection = await database.connect()
    await connection.execute(SHOP)
    await connection.close()
    return database


def saved(command: CommandLine, database: Database, path: Path) -> Path:
    path.write_text(command.run("fingerprint", "--dsn", database.dsn, "--json").stdout)
    return path


def test_a_script_of_ones_own_is_audited(command: CommandLine, shop: Database, tmp_path: Path) -> None:
    script, completed = tmp_path / "own.sql", tmp_path / "own.completed.sql"
    assert command.run("plan", "--dsn", shop.dsn, "--sql", str(script)).returncode == 0
    whole = command.facts("plan", "--dsn", shop.dsn, "--audit", str(script))
    assert whole["audit"]["complete"] is True
    assert whole["audit"]["foreign_keys"]["created_as_they_were"] == 4
    lines = script.read_text().splitlines(keepends=True)
    script.write_text(
        "".join(line for line in lines if not line.startswith('ALTER TABLE "Order Desk"."order" ADD CONSTRAINT'))
    )
    audited = command.run("plan", "--dsn", shop.dsn, "--audit", str(script), "--completed", str(completed))
    assert audited.returncode == 3
    assert "it is dropped and not created again" in audited.stdout
    assert "--- own.sql\n+++ own.completed.sql" in audited.stdout
    assert completed.exists()
    missing = command.run("plan", "--dsn", shop.dsn, "--audit", str(tmp_path / "none.sql"))
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)


def test_a_conversion_there_and_nothing_but_the_types_differs(
    command: CommandLine, shop: Database, tmp_path: Path
) -> None:
    plan = command.facts("plan", "--dsn", shop.dsn)
    assert plan["blockers"] == []
    assert plan["counts"]["foreign keys dropped"] == plan["counts"]["foreign keys recreated"] == 4
    before = saved(command, shop, tmp_path / "before.json")

    wrong = command.facts("convert", "--dsn", shop.dsn, "--confirm", "another", "--commit", status=3)
    assert wrong["error"]["kind"] == "Refused"
    untouched = command.facts("fingerprint", str(before), str(saved(command, shop, tmp_path / "wrong.json")))
    assert untouched["differences"] == []

    rolled_back = command.facts("convert", "--dsn", shop.dsn, "--confirm", shop.name, "--rollback")
    assert (rolled_back["outcome"], rolled_back["proof"]["held"]) == ("rolled_back", True)
    same = command.facts("fingerprint", str(before), str(saved(command, shop, tmp_path / "same.json")))
    assert same["differences"] == []

    report = tmp_path / "report.md"
    done = command.facts("convert", "--dsn", shop.dsn, "--confirm", shop.name, "--commit", "--report", str(report))
    assert (done["outcome"], done["proof"]["held"]) == ("committed", True)
    assert "foreign keys" in report.read_text()
    after = saved(command, shop, tmp_path / "after.json")
    differences = command.facts("fingerprint", str(before), str(after), status=1)
    assert set(differences["counts"]) == {"key type", "spelling"}
    assert differences["counts"]["key type"] == 10

    nothing_left = command.facts("plan", "--dsn", shop.dsn, status=3)
    assert nothing_left["blockers"]


def test_a_conversion_undone_and_nothing_differs(command: CommandLine, shop: Database, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    undo = ("convert", "--dsn", shop.dsn, "--undo", run, "--confirm", shop.name)
    before = saved(command, shop, tmp_path / "before.json")
    assert command.facts(*undo, "--commit", status=2)["error"]["what"] == f"There is no run in {run}."

    done = command.facts("--run", run, "convert", "--dsn", shop.dsn, "--confirm", shop.name, "--commit", "--collation", "C",
                         "--accept", 'collation:pg_catalog."C"')  # fmt: skip
    assert {"undo.json.gz", "undo.sql"} <= set(done["evidence"])
    differences = command.facts("fingerprint", str(before), str(saved(command, shop, tmp_path / "a.json")), status=1)
    assert differences["counts"]["key type"] == 10

    rolled_back = command.facts(*undo, "--rollback")
    assert (rolled_back["outcome"], rolled_back["proof"]["held"]) == ("rolled_back", True)
    undone = command.facts(*undo, "--commit")
    assert (undone["outcome"], undone["proof"]["held"]) == ("committed", True)
    same = command.facts("fingerprint", str(before), str(saved(command, shop, tmp_path / "b.json")))
    assert same["differences"] == []
    again = command.facts(*undo, "--commit", status=3)
    assert "undone already" in again["error"]["what"]


def test_the_run_of_a_conversion_can_be_looked_at(command: CommandLine, shop: Database) -> None:
    done = command.facts("convert", "--dsn", shop.dsn, "--confirm", shop.name, "--rollback")
    status = command.facts("--run", done["run"], "status")
    assert status["runbook"] == "conversion"
    assert status["tasks"][0]["steps"][0]["status"] == "done"
    assert "nothing has changed" in command.run("--run", done["run"], "status").stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("plan", "--dsn", "postgresql://owner:obviously-fake@localhost/shop"), 2, "PGPASSWORD"),
        (("plan", "--dsn", "nonsense://"), 2, "pgrecast:"),
        (("plan", "--dsn", "postgresql://localhost:1/shop"), 1, "nothing listens there"),
        (("convert", "--dsn", "postgresql://localhost:1/shop", "--confirm", "shop"), 2, "--commit"),
        (("fingerprint", "only-one.json"), 2, "two files"),
        (("--config", "missing.toml", "status"), 2, "missing.toml"),
        (("status",), 2, "There is no run"),
        (("console",), 2, "no terminal"),
        (("watch",), 2, "no terminal"),
        ((), 2, "no terminal"),
        (("unknown",), 2, "invalid choice"),
    ],
)
def test_bad_input_is_told_and_never_a_traceback(
    command: CommandLine, arguments: tuple[str, ...], status: int, words: str
) -> None:
    done = command.run(*arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "obviously-fake" not in done.stdout + done.stderr


def test_a_misspelt_section_names_the_right_one(command: CommandLine, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[conversoin]\nproof = 'counts'\n")
    done = command.run("--config", str(config), "status")
    assert done.returncode == 2
    assert "did you mean conversion?" in done.stderr


def test_a_server_that_asks_for_a_password(command: CommandLine, shop: Database) -> None:
    del command.environment["PGPASSWORD"]
    done = command.run("plan", "--dsn", shop.dsn)
    assert done.returncode == 1
    assert "PGPASSWORD" in done.stderr


async def test_a_login_that_the_run_has_rotated_is_used(command: CommandLine, shop: Database, tmp_path: Path) -> None:
    run, new = tmp_path / "run", SecretStr("fake-successor")
    run.mkdir()
    command.environment["DATABASE_URL"] = shop.dsn
    assert command.run("--run", str(run), "fingerprint", "--target", "production").returncode == 0
    Kept(run).keep_login(("production",), Login(shop.owner, shop.password), Login(shop.owner, new))
    assert command.run("--run", str(run), "fingerprint", "--target", "production").returncode == 0  # not in force yet
    connection = await shop.superuser_connect()
    await connection.execute(f"ALTER ROLE {shop.owner} PASSWORD '{scram_verifier(new)}'")
    await connection.close()
    done = command.run("--run", str(run), "fingerprint", "--target", "production")
    assert done.returncode == 0, done.stderr
    assert command.run("--run", str(tmp_path / "other"), "fingerprint", "--target", "production").returncode == 1


async def test_a_database_without_keys_of_the_type(command: CommandLine, database: Database) -> None:
    connection = await database.connect()
    await connection.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    await connection.close()
    assert command.facts("plan", "--dsn", database.dsn, status=3)["blockers"]
    done = command.run("convert", "--dsn", database.dsn, "--confirm", database.name, "--commit")
    assert done.returncode == 3
    assert "uuid" in done.stderr


async def test_a_half_converted_database_is_seen(command: CommandLine, database: Database) -> None:
    connection = await database.connect()
    await connection.execute(
        "CREATE TABLE users (id varchar(36) PRIMARY KEY); CREATE TABLE deals (id uuid PRIMARY KEY, user_id uuid)"
    )
    await connection.close()
    assert "users.id" in command.facts("plan", "--dsn", database.dsn)["already_converted"]


def test_a_defect_is_a_sentence_and_its_traceback_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> int:
        secret = "obviously-fake"  # a local variable, which must be nowhere afterwards
        raise ZeroDivisionError(len(secret))

    monkeypatch.setattr(status_command, "run", fail)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    log = (tmp_path / "pgrecast" / "defects.log").read_text()
    assert "defect of pgrecast" in said
    assert "Traceback" not in said
    assert "ZeroDivisionError: 14" in log
    assert "obviously-fake" not in said


REPAIRED = """
CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail text);
CREATE TABLE deals (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner uuid REFERENCES users);
ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
CREATE POLICY "own deals" ON deals TO {reader} USING (owner = current_setting('app.me')::uuid);
CREATE VIEW root AS SELECT mail FROM users WHERE id = '00000000-0000-0000-0000-000000000001'::uuid;
CREATE FUNCTION transfer(heir uuid) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM deals WHERE owner = heir';
CREATE FUNCTION keep_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  fallback uuid := TG_ARGV[0];
BEGIN
  IF NEW.owner = fallback THEN
    RAISE EXCEPTION 'taken';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER keep_owner BEFORE INSERT ON deals FOR EACH ROW
  EXECUTE FUNCTION keep_owner('00000000-0000-0000-0000-000000000001');
"""


async def test_a_plan_shows_what_it_repairs_as_differences(command: CommandLine, database: Database) -> None:
    """The policy's role is unknown on the server where the check is made."""
    connection = await database.connect()
    reader = f"{database.owner}_reader"
    await connection.execute(f"CREATE ROLE {reader}")
    await connection.execute(REPAIRED.replace("{reader}", reader))
    await connection.close()
    arguments = ("plan", "--dsn", database.dsn, "--repair-functions", "all")
    plan = command.facts(*arguments)
    assert plan["blockers"] == []
    added = {
        repair["object"]: [
            line[1:].strip() for line in repair["diff"].splitlines() if line[:2] != "++" and line[:1] == "+"
        ]
        for repair in plan["repairs"]
    }
    assert set(added) == {
        'policy "own deals" on deals', "view root", "function keep_owner()", "function transfer(heir uuid)",
    }  # fmt: skip
    assert "owner = ((current_setting('app.me'::text))::uuid)::text" in "".join(added['policy "own deals" on deals'])
    assert "'00000000-0000-0000-0000-000000000001'::uuid)::text" in "".join(added["view root"])
    assert added["function keep_owner()"] == ["IF NEW.owner = (fallback)::text THEN"]
    printed = command.run(*arguments).stdout
    for repair in plan["repairs"]:
        assert f"REPAIR {repair['object']}: {repair['reason']}" in printed
        assert all(f"  {line}" in printed.splitlines() for line in repair["diff"].splitlines())


async def test_what_references_without_a_foreign_key_is_shown_with_its_evidence(
    command: CommandLine, database: Database
) -> None:
    connection = await database.connect()
    await connection.execute(
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid()); INSERT INTO users SELECT FROM generate_series(1, 20);"
        "CREATE TABLE log (n int, subject uuid, user_id uuid); CREATE VIEW v AS SELECT n FROM log JOIN users ON id = user_id;"
        "INSERT INTO log SELECT 1, id, gen_random_uuid() FROM users"
    )
    await connection.close()
    printed = command.run("plan", "--dsn", database.dsn, "--exclude", "log.user_id", "--soft-references", "all").stdout
    assert (
        "RETYPED log.subject: seems to reference a key: it is of the keys' type, uuid; 20 of 20 sampled values"
        in printed
    )
    assert "  if left: It stays uuid" in printed
    assert "  if retyped: It becomes character varying(36)" in printed
    asked = command.run(
        "convert", "--dsn", database.dsn, "--confirm", database.name, "--rollback", "--soft-references", "ask"
    )
    assert asked.returncode == 3
    assert "Not decided, whether to retype" in asked.stderr
