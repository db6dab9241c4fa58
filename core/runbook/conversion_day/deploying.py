"""A deploy at the host, followed to its end: its states, the migrations that its log tells of, and what went wrong."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.errors import HostingError, HostingOutcomeUnknown
from core.events import Reading
from core.hosting.interface import Ability, Deploy, DeployState, Host, LogLine
from core.redaction import redactor
from core.runbook.facts import DEPLOY_STARTED, DEPLOYED
from core.runbook.model import StepContext
from core.runbook.words import age, span

ASK_EVERY = 2.0
"""Seconds between two questions."""
WITHIN = timedelta(hours=3)
"""Builds and deploys of the hosts we know end within two and a half hours."""
SILENT = 30
"""Questions in a row that the host may leave unanswered: the deploy goes on without being watched."""
LINES_AT_ONCE = 1000
MOST_KEPT = 20_000
"""Lines of a deploy's log that are kept as evidence."""
MOST_SAID = 50
"""Lines about trouble that the step says as they come; the rest is in the evidence."""
LAST_LINES = 15
LOG_FILE = "deploy.log"

_UPGRADE = re.compile(
    r"Running upgrade\s+(?P<before>[^>]*?)\s*->\s*(?P<revision>[0-9A-Za-z_]+)(?:\s*\([^)]*\))?(?:, (?P<doc>.*))?"
)
_TROUBLE = re.compile(
    r"(?i)(?:error|exception)\b|\b(?:critical|fatal|panic)\b|Traceback \(most recent|violates |DETAIL:"
)


def migration_of(line: str) -> str | None:
    """The revision that a line of a log says is running now, as Alembic says it; None for any other line."""
    found = _UPGRADE.search(line)
    return found["revision"] if found else None


@dataclass
class Followed:
    """A deploy and what its log has told so far.

    Attributes:
        deploy: as it stood last.
        revisions: which migrations have begun, in order.
        troubles: lines whose words tell of trouble.
        lines: its log, the oldest first.
    """

    deploy: Deploy
    revisions: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])

    @property
    def is_live(self) -> bool:
        return self.deploy.state is DeployState.LIVE

    @property
    def migrations_failed(self) -> bool:
        """Whether it was the migrations that failed, as far as its state and its log tell."""
        words = self.deploy.told.replace("_", "-").lower()
        return not self.is_live and (bool(self.revisions) or "pre-deploy" in words or "migrat" in words)

    @property
    def last_words(self) -> Sequence[str]:
        """What is worth reading first after a failure: the lines about trouble, then how the log ends."""
        return list(dict.fromkeys((*self.troubles[-LAST_LINES:], *self.lines[-LAST_LINES:])))

    def take(self, line: LogLine) -> str | None:
        """Take in a line; returns it when it is worth saying."""
        text = redactor.redact(line.text)
        stamped = f"{line.at:%H:%M:%S} {text}"
        if len(self.lines) < MOST_KEPT:
            self.lines.append(stamped)
        revision = migration_of(text)
        if revision is not None:
            if revision not in self.revisions:
                self.revisions.append(revision)
            return text
        if not _TROUBLE.search(text):
            return None
        self.troubles.append(stamped)
        return text if len(self.troubles) <= MOST_SAID else None


async def start(context: StepContext, host: Host, service: str, commit: str | None) -> Deploy:
    """Have the host deploy; the intention is recorded first, so that an interrupted step finds the deploy again.

    Raises:
        HostingError: it does not; HostingOutcomeUnknown: whether it does is found out when the step is run again.
    """
    since = datetime.now(UTC)
    await _started(context, None, commit, since)
    try:
        deploy = await host.deploy(service, commit)
    except HostingOutcomeUnknown:
        raise
    except HostingError:
        await context.fact(DEPLOY_STARTED, None)
        raise
    await _started(context, deploy.id, commit, since)
    await context.say(f"Deploy {deploy.id} of {service} is asked for: {commit or 'the latest commit'}.")
    return deploy


async def _started(context: StepContext, id_: str | None, commit: str | None, since: datetime) -> None:
    await context.fact(DEPLOY_STARTED, {"id": id_, "commit": commit, "since": since.isoformat()})


async def unfinished(context: StepContext, host: Host, service: str) -> Deploy | None:
    """The deploy that this run has asked for and not followed to its end; None when there is none.

    Raises:
        HostingError: the host does not tell.
    """
    known = context.state.facts.get(DEPLOY_STARTED)
    if not known:
        return None
    if known["id"] is not None:
        return await host.find_deploy(service, str(known["id"]))
    since = datetime.fromisoformat(str(known["since"])) - timedelta(seconds=5)  # clocks differ
    newer = [d for d in await host.deploys(service) if d.created_at is not None and d.created_at >= since]
    return newer[-1] if newer else None


async def follow(context: StepContext, host: Host, service: str, deploy: Deploy, *, pending: int = 0) -> Followed:
    """Follow a deploy until it is live or has failed, its log beside it.

    Args:
        pending: how many migrations are expected, for the figures.

    Raises:
        HostingError: the host does not tell any more; the deploy goes on.
    """
    loop = asyncio.get_running_loop()
    began, until = loop.time(), loop.time() + WITHIN.total_seconds()
    followed = Followed(deploy)
    log = _Log(host, service, deploy.created_at or datetime.now(UTC))
    said, silent = "", 0
    while True:
        try:
            followed.deploy = await host.find_deploy(service, deploy.id)
            for line in await log.news():
                if (worth_saying := followed.take(line)) is not None:
                    await context.say(worth_saying)
            silent = 0
        except HostingError as error:
            silent += 1
            if silent >= SILENT:
                raise
            await context.say(f"The host was asked in vain: {error.what}")
        _show(context, followed, loop.time() - began, pending)
        if followed.deploy.told != said:
            said = followed.deploy.told
            await context.say(
                f"Deploy {deploy.id}: {followed.deploy.state} ({said}), after {span(loop.time() - began)}."
            )
        if followed.deploy.state.over:
            break
        if loop.time() >= until:
            raise HostingError(
                f"The deploy {deploy.id} has not ended within {age(WITHIN)}: {followed.deploy.told}.",
                state="It may still be running.",
                advice="Look at it in the host's dashboard; run the step again to follow it on.",
            )
        await asyncio.sleep(ASK_EVERY)
    return followed


async def remember(context: StepContext, followed: Followed) -> None:
    """Record how a deploy has ended, and keep its log."""
    deploy = followed.deploy
    if followed.lines:
        await context.file(LOG_FILE, "\n".join((*followed.lines, "")).encode())
    await context.fact(DEPLOYED, {"id": deploy.id, "state": deploy.state.value, "commit": deploy.commit})
    if context.state.facts.get(DEPLOY_STARTED):
        await context.fact(DEPLOY_STARTED, None)


async def live_deploy(host: Host, service: str) -> Deploy:
    """What is live.

    Raises:
        HostingError: the host does not tell.
    """
    live = next((deploy for deploy in await host.deploys(service) if deploy.state is DeployState.LIVE), None)
    if live is None:
        raise HostingError(
            f"The host does not tell which deploy of {service} is live, so that it could be deployed again.",
            advice='Choose another way under [hosting]: maintenance = "host", "suspend" or "command".',
        )
    return live


async def deploy_again(context: StepContext, host: Host, service: str) -> None:
    """Deploy what is live once more, and nothing newer, so that changed variables count.

    Raises:
        HostingError: the host does not tell what is live, or it did not come live again.
    """
    live = await live_deploy(host, service)
    deploy = await host.deploy(service, live.commit)
    followed = await follow(context, host, service, deploy)
    if not followed.is_live:
        raise HostingError(
            f"The deploy {deploy.id} of {service} ended as {followed.deploy.told}.",
            state="What was live before it still is.",
            advice="Look at its log in the host's dashboard, and run the step again.",
        )


class _Log:
    """What a service has logged since, each line once."""

    def __init__(self, host: Host, service: str, since: datetime) -> None:
        self._host = host
        self._service = service
        self._since = since
        self._seen: set[tuple[datetime, str]] = set()

    async def news(self) -> list[LogLine]:
        if Ability.LOGS not in self._host.abilities:
            return []
        found = await self._host.logs((self._service,), self._since, LINES_AT_ONCE)
        new = [line for line in found if (line.at, line.text) not in self._seen]
        if found:
            # Lines of one moment may come in two answers.
            self._since = max(line.at for line in found)
            self._seen = {(line.at, line.text) for line in found if line.at == self._since}
        return new


def _show(context: StepContext, followed: Followed, seconds: float, pending: int) -> None:
    values = {
        "deploy": followed.deploy.id,
        "state": followed.deploy.told,
        "seconds": round(seconds),
        **({"migrations": len(followed.revisions), "of": pending} if followed.revisions or pending else {}),
        **({"revision": followed.revisions[-1]} if followed.revisions else {}),
        **({"log": followed.lines[-1]} if followed.lines else {}),
    }
    context.read(Reading(step=context.step, name="deploy", values=values))
