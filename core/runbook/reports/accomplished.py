"""What a run has come to, from its facts and the standing of its steps: a pure function, from which every text is written.

What no fact says is None, and whoever writes it says "not measured". Values may be anything that a
database, a host or a person has said; they are no markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from core.events import Json
from core.runbook import facts
from core.runbook.conversion_state import ConversionState
from core.runbook.gates import ROTATION
from core.runbook.state import RunState, StepStatus
from core.runbook.timeline import DOWNTIME_BEGINS, DOWNTIME_ENDS, downtime, downtime_began
from core.runbook.words import counted, size, span
from core.settings import Settings

NOT_MEASURED = "not measured"
RECOVERY = "recovery"
"""Name of the runbook that this is about; of a one-step conversion only its figures can be told."""

PRODUCTION = "production"
DOCUMENTED = range(1, 9)
"""Tasks that a session's documents tell of; the two after them are the writing itself, and what follows."""
MOST_KEYS = 12

_THROUGH = (StepStatus.DONE, StepStatus.TICKED)


class Standing(StrEnum):
    PROVED = "proved"
    TICKED = "ticked"
    """A person vouches for it, unverified."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that was measured or found out; `value` is None where no fact says it, `held` where nothing had to hold."""

    label: str
    value: str | None
    held: bool | None = None


@dataclass(frozen=True, slots=True)
class Accomplishment:
    """A line of the list of what was to be done.

    Attributes:
        by: who vouches for it, where somebody does.
        figures: what belongs to it.
    """

    what: str
    standing: Standing
    by: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


# --- parts -------------------------------------------------------------------------------------------------------------


def type_change(settings: Settings) -> tuple[str, str]:
    """The keys' type before and after, as people write them in headings."""
    return settings.conversion.from_type.upper(), settings.conversion.to_type.upper()


def converted(state: RunState, target: str = PRODUCTION) -> ConversionState | None:
    """The committed, proved conversion of the target; None while there is none, or when it is undone."""
    found = state.committed.get(target)
    return found if found is not None and not found.undoes and found.proof_held else None


def counts(conversion: ConversionState) -> dict[str, int]:
    """Its counts in total by what is counted."""
    found: dict[str, int] = {}
    for phase in conversion.phases:
        for tally in phase.tallies:
            if not tally.root:
                found[tally.what] = found.get(tally.what, 0) + tally.count
    return found


def standing(state: RunState, steps: Sequence[str]) -> tuple[Standing, tuple[str, ...]]:
    """How steps stand together: proved if all are, ticked if all are through, and by whom."""
    found = [state.step(step) for step in steps]
    if not all(step.status in _THROUGH for step in found):
        return Standing.OPEN, ()
    by = sorted({s.actor.name if s.actor else "nobody" for s in found if s.status is StepStatus.TICKED})
    return (Standing.TICKED if by else Standing.PROVED), tuple(by)


def migrated(state: RunState) -> list[str] | None:
    """The revisions that were applied to production after its conversion, up to the head; None where no fact says so."""
    conversion, at = state.committed.get(PRODUCTION), state.fact_times.get(facts.MIGRATED_PRODUCTION)
    if at is None or (conversion is not None and conversion.ended is not None and at < conversion.ended):
        return None
    return _texts(state.facts[facts.MIGRATED_PRODUCTION])


def revisions_before(state: RunState) -> str | None:
    """What the version table said before the migrations: as stamped, otherwise as located."""
    stamped = _mapping(_mapping(state.facts.get(facts.STAMPED)).get(PRODUCTION)).get("new")
    found = stamped if stamped is not None else _mapping(state.facts.get(facts.LOCATED)).get("revisions")
    return ", ".join(_texts(found)) or None


def head(state: RunState) -> str | None:
    """The revision at which production stands, None where no fact says it."""
    applied = migrated(state)
    if applied is None:
        return None
    return applied[-1] if applied else revisions_before(state)


def session_seconds(state: RunState) -> float | None:
    """From the run's opening to the end of its last step before the writing."""
    ended = [s.ended for id_, s in state.steps.items() if s.ended and s.status in _THROUGH and _task(id_) in DOCUMENTED]
    return (max(ended) - state.opened).total_seconds() if ended and state.opened else None


def downtime_seconds(state: RunState) -> tuple[float | None, bool]:
    """How long the service was down, None while it is or was not, and whether that was measured; else it is what ticks say."""
    if downtime_began(state) is not None:
        return None, True
    if facts.DOWNTIME_SECONDS in state.facts:
        measured = state.facts[facts.DOWNTIME_SECONDS]
        return (float(measured) if isinstance(measured, int | float) else None), True
    last = state.step(DOWNTIME_ENDS)
    if state.step(DOWNTIME_BEGINS).status not in _THROUGH or last.status not in _THROUGH or last.ended is None:
        return None, False
    found = downtime(state, last.ended)
    return (found.total_seconds() if found is not None else None), False


def monitoring(state: RunState) -> Figure:
    """What the watch over production has found so far."""
    found = _mapping(state.facts.get(facts.MONITORED))
    seconds = found.get("seconds")
    if not isinstance(seconds, int | float):
        return Figure("Monitoring", None)
    parts = [f"{found.get('failed', 0)} of {found.get('probes', 0)} health probes failed"]
    parts += [f"{found[name]} {name}" for name in ("errors", "violations") if isinstance(found.get(name), int)]
    return Figure("Monitoring", f"watched for {span(seconds)}: {', '.join(parts)}")


def health(state: RunState) -> Figure:
    """How many of the checks after the deploy have held."""
    found = _mapping(state.facts.get(facts.HEALTH_VERIFIED))
    made = [held for held in found.values() if isinstance(held, bool)]
    if not made:
        return Figure("Deployment health", None)
    held, unmade = sum(made), len(found) - len(made)
    words = f"{100 * held // len(made)}% ({held} of {counted(len(made), 'check')} held"
    return Figure(
        "Deployment health", f"{words}{f', {unmade} could not be made' if unmade else ''})", held == len(made)
    )


def deployed_commit(state: RunState, fact: str) -> str | None:
    """The commit of the deploy that the fact tells of."""
    commit = _mapping(state.facts.get(fact)).get("commit")
    return str(commit) if commit else None


# --- the whole ---------------------------------------------------------------------------------------------------------


def accomplishments(state: RunState, settings: Settings) -> tuple[Accomplishment, ...]:
    """What was to be done, in the action plan's order, and how each stands."""
    known = state.facts
    conversion = converted(state)
    located = _mapping(known.get(facts.LOCATED))
    backup = _mapping(known.get(facts.BACKUP_VERIFIED) or known.get(facts.BACKUP_TAKEN))
    seconds, measured = downtime_seconds(state)
    down = f"{span(seconds)}{'' if measured else ', by the times of its steps'}" if seconds is not None else None
    applied = migrated(state)
    return (
        _made(state, "Security credential rotation (exposed API keys and passwords)", ROTATION, fact=facts.CREDENTIALS_ROTATED),
        _made(
            state, "Database investigation", ("2.2", "2.3"),
            Figure("true migration state", ", ".join(_texts(located.get("revisions"))) or None),
        ),
        _made(
            state, "Production database backup", ("3.1", "3.2"), Figure("size", _bytes(backup.get("bytes"))),
            Figure("verified", _text(backup.get("depth"))), fact=facts.BACKUP_VERIFIED,
        ),
        _made(
            state, "Conversion script's phase 5 completion", ("4.1",),
            Figure("approach", _text(known.get(facts.DECISION_APPROACH))),
        ),
        _made(
            state, "Test database conversion validation", ("5.1", "5.2"),
            Figure("outcome", _words(known.get(facts.REHEARSAL_OUTCOME))), fact=facts.REHEARSAL_PROVED,
        ),
        Accomplishment(
            "Production conversion execution",
            Standing.PROVED if conversion is not None else Standing.OPEN,
            figures=(Figure("downtime", down),),
        ),
        _made(state, "alembic_version reset", ("7.4",), Figure("to", revisions_before(state))),
        _made(
            state, "Deployment triggered, migrations applied", ("7.5",),
            Figure("from", revisions_before(state)), Figure("to", head(state)),
            Figure("migrations", str(len(applied)) if applied is not None else None),
        ),
        _made(state, "Health verification (backend, frontend, database)", ("7.6",), health(state)),
    )  # fmt: skip


def results(state: RunState, settings: Settings) -> tuple[Figure, ...]:
    """What the conversion has changed, in figures."""
    conversion = converted(state)
    found = _keys_changed(state, settings) if conversion is not None else [Figure("Keys converted", None)]
    total = counts(conversion) if conversion else {}
    dropped, recreated = total.get("foreign keys dropped"), total.get("foreign keys recreated")
    known = dropped is not None and recreated is not None
    found.append(
        Figure(
            "Foreign keys",
            f"{dropped:,} dropped, {recreated:,} recreated" if known else None,
            dropped == recreated if known else None,
        )
    )
    if conversion is not None:
        found.append(Figure("Proof", f"{conversion.proof_depth}: holds", True))
    before, after, applied = revisions_before(state), head(state), migrated(state)
    state_of = (
        f"{before or 'unknown'} → {after or 'unknown'} ({counted(len(applied), 'migration')} applied)"
        if applied
        else None
    )
    found.append(Figure("Migration state", state_of or (after if applied is not None else None)))
    made = _texts(_mapping(state.facts.get(facts.TABLES_CREATED)).get(PRODUCTION))
    found.append(Figure("New tables created", ", ".join(made) or None))
    found.append(health(state))
    return tuple(found)


def _made(
    state: RunState, what: str, steps: Sequence[str], *figures: Figure, fact: str | None = None
) -> Accomplishment:
    """How steps stand; where the fact exists, it alone decides."""
    how, by = standing(state, steps)
    if fact is not None and fact in state.facts:
        how, by = (Standing.PROVED if state.facts[fact] else Standing.OPEN), ()
    return Accomplishment(what, how, by, figures)


def _keys_changed(state: RunState, settings: Settings) -> list[Figure]:
    """Each root key's type before and after; the keys that the investigation asks for stand first."""
    source, target = type_change(settings)
    asked = settings.investigation
    first = [asked.key_column, *(f"{table}.id" for table in asked.count_tables)]
    keys = sorted(
        _mapping(state.facts.get(facts.INVESTIGATION_KEYS)),
        key=lambda key: (first.index(key) if key in first else len(first), key),
    )
    found = [Figure("Key", f"{key}: {source} → {target}", held=True) for key in keys[:MOST_KEYS]]
    if len(keys) > MOST_KEYS:
        found.append(Figure("Further keys", f"{len(keys) - MOST_KEYS}, likewise", held=True))
    return found


def _task(step: str) -> int:
    head_, _, _ = step.partition(".")
    return int(head_) if head_.isdigit() else 0


def _mapping(value: Json) -> Mapping[str, Json]:
    """The fact as an object; empty where it is none, as in the journal of another version."""
    return cast("Mapping[str, Json]", value) if isinstance(value, Mapping) else {}


def _texts(value: Json) -> list[str]:
    return [str(item) for item in cast("Iterable[Json]", value)] if isinstance(value, list | tuple) else []


def _text(value: Json) -> str | None:
    return str(value) if value else None


def _words(value: Json) -> str | None:
    return str(value).replace("_", " ") if value else None


def _bytes(value: Json) -> str | None:
    return size(value) if isinstance(value, int) and not isinstance(value, bool) else None
