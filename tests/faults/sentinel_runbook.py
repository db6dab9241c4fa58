"""The rotation and the run's report, and beside them steps that are careless with every secret that they can get at."""

from __future__ import annotations

from core.events import Reading
from core.runbook.model import Runbook, Step, StepContext, StepKind, Task
from core.runbook.tasks import task_01_rotate, task_09_document
from core.secrets.keep import Kept


async def _within_reach(context: StepContext) -> list[str]:
    """All that a step can learn."""
    spec, _ = await context.target("production")
    kept = Kept(context.run_directory)
    values = [spec.password, *(login.password for _, old, new in kept.logins() for login in (old, new))]
    values += [*(kept.api_key() or ()), context.settings.database_url, context.settings.host_api_key]
    return [value.get_secret_value() for value in values if value is not None]


async def tell_all(context: StepContext) -> str:
    for secret in await _within_reach(context):
        await context.say(f"The secret is {secret}, of course.")
        await context.fact(f"secret.{secret[:2]}", {"url": f"postgresql://app:{secret}@db/app", secret: [secret]})
        await context.file("secrets.txt", f"export PGPASSWORD='{secret}'\n{secret}\n".encode())
        context.read(Reading(step=context.step, name="secret", values={"value": secret}))
    return f"told {' and '.join(await _within_reach(context))}"


async def crash(context: StepContext) -> str:
    secrets = await _within_reach(context)
    raise ValueError(f"cannot do it with {secrets!r}")


CARELESS = Task(
    2,
    "Careless",
    "",
    "",
    (
        Step("2.1", "Tell all", StepKind.AUTOMATIC, action=tell_all),
        Step("2.2", "Crash", StepKind.AUTOMATIC, action=crash),
    ),
)
RUNBOOK = Runbook("recovery", (task_01_rotate.TASK, CARELESS, task_09_document.TASK))
