"""What the run comes down to, for a pane, a header or a line of plain text: pure functions of its state."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import PgrecastError
from core.events import AlarmRaised, Json, Question
from core.postgres.connection_spec import ConnectionSpec
from core.runbook.facts import DOWNTIME_SECONDS
from core.runbook.gates import needs, reports
from core.runbook.model import GateReport, Runbook, Step, StepKind, Task
from core.runbook.state import ConversionState, PhaseState, RunState, StepState, StepStatus
from core.runbook.timeline import TaskTime, downtime, task_time
from core.runbook.way_back import way_back as core_way_back
from core.runbook.window.timetable import timetable
from core.runbook.window.window import chosen_window
from core.settings import Settings
from tui import text
from tui.backing_up import backup_line, backup_values
from tui.watching import watch_line, watch_values

Readings = Mapping[tuple[str, str], Mapping[str, Json]]
"""The newest reading by step and name."""

PRODUCTION = "production"


class TaskStatus(StrEnum):
    TODO = "to do"
    UNDER_WAY = "under way"
    LOCKED = "locked"
    """Nothing has begun, and a step's gate is closed that another task opens."""
    RUNNING = "running"
    ASKING = "asking"
    DONE = "done"
    """Every step is proved."""
    TICKED = "ticked"
    """Every step is through, at least one on a person's word."""
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A task as its pane shows it.

    Attributes:
        done: steps that are proved.
        ticked: steps that a person vouches for.
        times: planned, due and actual.
        current: the step that runs, waits, failed or is next; None when all are through.
        details: the line below the title (what happens, what is missing, or what came of it), the longest form first.
    """

    task: Task
    status: TaskStatus
    done: int
    ticked: int
    times: TaskTime
    current: Step | None
    details: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.task.steps)

    @property
    def tally(self) -> str:
        return text.tally(self.done, self.ticked, self.total)

    @property
    def worked(self) -> timedelta | None:
        """The time that its steps took so far; None where they took none."""
        return self.times.worked or None

    @property
    def late(self) -> bool:
        """Whether it should be through by now and is not."""
        return self.times.overdue and self.times.ended is None

    @property
    def bar(self) -> str:
        return text.bar(self.done, self.ticked, self.total)


def summarize(task: Task, state: RunState, settings: Settings, readings: Readings, now: datetime) -> TaskSummary:
    """The task as it stands."""
    states = {step.id: state.step(step.id) for step in task.all_steps}
    course = [states[step.id].status for step in task.steps]
    done, ticked = course.count(StepStatus.DONE), course.count(StepStatus.TICKED)
    current = _current(task, states)
    closed = missing(task, state, settings, now) if done + ticked == 0 else ()
    status = _status(course, states[current.id].status if current else None, locked=bool(closed))
    if current is None:
        details = (_outcome(states.values()),)
    elif status is TaskStatus.LOCKED:
        details = (
            needs(closed),
            f"needs {', '.join(f'{g.name} ({task_of(g.opens)})' for g in closed)}",
            _names(closed),
        )
    else:
        details = (step_line(current, state, settings, readings, now),)
    return TaskSummary(
        task=task,
        status=status,
        done=done,
        ticked=ticked,
        times=task_time(task, state, now),
        current=current,
        details=details,
    )


_URGENCY = (
    (StepStatus.UNDECIDED, TaskStatus.UNDECIDED),
    (StepStatus.ASKING, TaskStatus.ASKING),
    (StepStatus.RUNNING, TaskStatus.RUNNING),
    (StepStatus.FAILED, TaskStatus.FAILED),
)
_THROUGH = frozenset({StepStatus.DONE, StepStatus.TICKED})


def _current(task: Task, states: Mapping[str, StepState]) -> Step | None:
    for urgent, _ in _URGENCY:
        # A way back that failed leaves things as they were.
        for step in task.steps if urgent is StepStatus.FAILED else task.all_steps:
            if states[step.id].status is urgent:
                return step
    return next((step for step in task.steps if states[step.id].status not in _THROUGH), None)


def _status(course: Sequence[StepStatus], current: StepStatus | None, *, locked: bool) -> TaskStatus:
    if current is None:
        return TaskStatus.DONE if all(status is StepStatus.DONE for status in course) else TaskStatus.TICKED
    for found, status in _URGENCY:
        if current is found:
            return status
    if locked:
        return TaskStatus.LOCKED
    return TaskStatus.UNDER_WAY if any(status in _THROUGH for status in course) else TaskStatus.TODO


def steps_shown(task: Task, state: RunState, settings: Settings, now: datetime) -> tuple[Step, ...]:
    """The task's steps, and of those beside them the ones that are open, or that something has happened to."""
    beside = (
        step
        for step in (*task.asides, *task.ways_back)
        if state.step(step.id).status is not StepStatus.TODO or not closed_gates(step, state, settings, now)
    )
    return (*task.steps, *beside)


def _outcome(states: Iterable[StepState]) -> str:
    """What the last step that has something to say came to."""
    told = [(s.ended, s.summary or s.notes[-1]) for s in states if s.ended is not None and (s.summary or s.notes)]
    return max(told)[1] if told else ""


def _names(closed: Iterable[GateReport]) -> str:
    return f"needs {', '.join(gate.name for gate in closed)}"


def task_of(step: str | None) -> int:
    """Number of the task that a step's id belongs to, 0 for None."""
    return int(step.split(".")[0]) if step else 0


def step_time(state: StepState, now: datetime) -> timedelta | None:
    """How long the step took, or takes."""
    if state.started is None:
        return None
    return max(timedelta(), (state.ended or now) - state.started)


def missing(task: Task, state: RunState, settings: Settings, now: datetime) -> tuple[GateReport, ...]:
    """Closed gates of the task's steps that another task opens, each once."""
    found: dict[str, GateReport] = {}
    for step in task.steps:
        for gate in closed_gates(step, state, settings, now):
            if gate.opens and task_of(gate.opens) != task.number:
                found.setdefault(gate.name, gate)
    return tuple(found.values())


def closed_gates(step: Step, state: RunState, settings: Settings, now: datetime) -> list[GateReport]:
    """The step's gates that are neither open nor overridden."""
    overridden = state.overrides.get(step.id, {})
    return [gate for gate in reports(step, state, settings, now) if not gate.open and gate.name not in overridden]


def can_tick(step: Step) -> bool:
    """Whether a person may vouch for the step: where the program does nothing itself."""
    return step.action is None


def step_line(step: Step, state: RunState, settings: Settings, readings: Readings, now: datetime) -> str:
    """What there is to say of a step in one line."""
    found = state.step(step.id)
    conversion = state.conversions.get(step.id)
    match found.status:
        case StepStatus.UNDECIDED:
            return f"{step.id} {step.title}: the outcome is not known yet; {found.summary or 'it is being looked up'}"
        case StepStatus.ASKING:
            question = question_of(step.id, state)
            return (
                f"{asks(question, state)} ({question_clock(question, now)} if unanswered)"
                if question
                else f"{step.id} asks"
            )
        case StepStatus.RUNNING:
            if conversion is not None and conversion.ended is None:
                return f"{step.id} {conversion_line(conversion, readings)}"
            if (watched := watch_values(step.id, readings)) is not None:
                return f"{step.id} {watch_line(watched)}"
            if (backing_up := backup_values(step.id, readings)) is not None:
                return f"{step.id} {backup_line(backing_up)}"
            return f"{step.id} {found.log[-1] if found.log else step.title}"
        case StepStatus.FAILED:
            return f"{step.id} failed: {found.summary}"
        case StepStatus.DONE | StepStatus.TICKED:
            return found.summary or step.title
        case StepStatus.TODO:
            closed = closed_gates(step, state, settings, now)
            if closed:
                return f"next {step.id} {step.title}: needs {closed[0].condition}"
            return f"next {step.id} {step.title} ({how(step)})"


def how(step: Step) -> str:
    """Who does the step, and by which key."""
    if not step.built:
        return "not yet built: by hand, space ticks"
    if step.action is None:
        return f"{step.kind.value}: space ticks"
    asks = {StepKind.DESTRUCTIVE: ", asks first", StepKind.DECISION: ", asks"}.get(step.kind, "")
    return f"{step.kind.value}: r runs{asks}"


# --- questions ---------------------------------------------------------------------------------------------------------


def question_of(step: str | None, state: RunState) -> Question | None:
    """The open question of the step; the oldest of the run for None."""
    found = [q for q in state.questions.values() if step is None or q.step == step]
    return min(found, key=lambda q: q.asked_at, default=None)


def asks(question: Question, state: RunState) -> str:
    """What it asks, or whose approval it waits for."""
    choice = state.confirmed.get(question.id)
    if choice is None:
        return f"asks: {question.title}"
    return f"needs a second person's approval of {choice}: {question.title}"


def question_clock(question: Question, now: datetime) -> str:
    """What an unanswered question turns into, and when: `Roll back in 14:32`."""
    default = next((c.label for c in question.choices if c.name == question.default), question.default)
    return f"{text.clean(default)} in {text.duration(question.expires_at - now)}"


# --- alarms ------------------------------------------------------------------------------------------------------------


def alarms(state: RunState) -> list[tuple[str, AlarmRaised]]:
    """What running steps watch and have found bad, with the step, the latest last."""
    running = (StepStatus.RUNNING, StepStatus.ASKING)
    return [(step, alarm) for step, found in state.steps.items() if found.status in running for alarm in found.alarms]


# --- conversions -------------------------------------------------------------------------------------------------------


def phase_running(conversion: ConversionState) -> PhaseState | None:
    """The phase that has started and not ended."""
    return next((p for p in conversion.phases if p.started is not None and p.seconds is None), None)


def conversion_line(conversion: ConversionState, readings: Readings) -> str:
    """`phase 4 retype references: 61/107, about 0:04 left`."""
    phase = phase_running(conversion)
    if phase is None:
        return f"conversion of {conversion.target}: {conversion.current or 'between two phases'}"
    left = seconds_left(conversion.step, readings)
    return text.sentence(
        (
            f"phase {phase.number} {phase.name}: {phase.done}/{phase.statements}",
            f"about {text.duration(left)} left" if left is not None else "",
        )
    )


def _figure(step: str, name: str, readings: Readings) -> float | None:
    for (of, _), values in readings.items():
        if of == step and isinstance(value := values.get(name), int | float):
            return float(value)
    return None


def seconds_left(step: str, readings: Readings) -> float | None:
    return _figure(step, "seconds_left", readings)


def way_back(state: RunState, readings: Readings) -> str:
    """How to get back to where the run began, as it stands; inside a window, by when at the latest."""
    target = main_target(state)
    running = next((c.step for c in state.conversions.values() if c.target == target and c.outcome is None), "")
    seconds = _figure(running, "rollback_seconds", readings)
    found = chosen_window(state)
    return str(core_way_back(state, target=target, rollback_seconds=seconds, window_end=found.end if found else None))


# --- the run -----------------------------------------------------------------------------------------------------------


def main_target(state: RunState) -> str:
    """The target that the run is about."""
    return PRODUCTION if PRODUCTION in state.targets or not state.targets else next(iter(state.targets))


def target_words(target: str, state: RunState, configured: Mapping[str, str] | None = None) -> str:
    """`ma_saas_platform @ db.example`; what is configured, and that nobody has connected to it, before that is known."""
    found = state.targets.get(target)
    if found is not None:
        return f"{found.identity.database} @ {found.address}"
    named = (configured or {}).get(target)
    return f"{named} (not connected yet)" if named else "not connected yet"


def configured_targets(settings: Settings) -> dict[str, str]:
    """The targets that the settings name, as `target_words` would."""
    found: dict[str, str] = {}
    for name in ("production", "test"):
        with suppress(PgrecastError):
            spec = ConnectionSpec.from_url(
                settings.url(name), environment=os.environ, allow_password=True, source=f"the {name} URL"
            )
            found[name] = f"{spec.database} @ {spec.host}"
    return found


def window_clock(state: RunState, now: datetime) -> str:
    """Until the window opens, then until the last moment to turn back, then until it closes; nothing once all serves again."""
    found = timetable(state)
    if found is None or _served_since(found.window.start, state):
        return ""
    if now < found.window.start:
        return text.countdown(found.window.start - now)
    if now < found.turn_back and found.turn_back < found.window.end:
        return f"turn back within {text.duration(found.turn_back - now)}"
    if now < found.window.end:
        return f"window closes in {text.duration(found.window.end - now)}"
    return "the window is over"


def window_times(state: RunState) -> str:
    """`start by 03:12:40, turn back by 03:41:20 UTC`; empty without a window."""
    found = timetable(state)
    return str(found) if found else ""


def _served_since(start: datetime, state: RunState) -> bool:
    """Whether the service was proved to serve again within the window, or after it."""
    at = state.fact_times.get(DOWNTIME_SECONDS)
    return at is not None and at >= start


def window_words(state: RunState, settings: Settings) -> list[str]:
    """The window, and what must happen by when, a sentence each."""
    found = timetable(state)
    if found is None:
        return []
    latest = f"latest start of the conversion {text.moment(found.latest_start)}"
    turn = f"latest moment to turn back {text.moment(found.turn_back)}"
    return [
        f"{found.window.here_too(settings.window.zone)}; {found.fit_words}",
        f"{latest}; {turn}",
        f"expected: {found.expected}",
    ]


def present(state: RunState, me: str | None) -> str:
    """Who is attached, seen from the client `me`: `operator + 1 watching`, `watching (anna operates)`."""
    operator = next((c.actor.name for c in state.clients if c.client == state.operator), None)
    others = sum(c.client not in (state.operator, me) for c in state.clients)
    if me is not None and me == state.operator:
        return f"operator + {others} watching" if others else "operator"
    more = f" + {others}" if others else ""
    return f"watching{more} ({f'{operator} operates' if operator else 'nobody operates'})"


def present_names(state: RunState) -> str:
    """Who is attached, by name: `anna operates, ben and eve watch`."""
    operators = [c.actor.name for c in state.clients if c.client == state.operator]
    watchers = [c.actor.name for c in state.clients if c.client != state.operator]
    verb = "watches" if len(watchers) == 1 else "watch"
    return text.sentence(
        (
            f"{operators[0]} operates" if operators else "nobody operates",
            f"{' and '.join(watchers)} {verb}" if watchers else "",
        )
    )


def programs(state: RunState) -> str:
    """`begun with pgrecast 0.1.0, goes on with 0.2.0`; empty while it is one version."""
    if not state.program or state.engine_program in ("", state.program):
        return ""
    return f"begun with pgrecast {state.program}, goes on with {state.engine_program}"


def proved(runbook: Runbook, state: RunState) -> str:
    """`12 proved, 3 ticked of 61 steps`."""
    done, ticked, total = _counts(runbook, state)
    return f"{done} proved, {ticked} ticked of {total} steps"


def proved_briefly(runbook: Runbook, state: RunState) -> str:
    """`12+3/61`."""
    return text.tally(*_counts(runbook, state))


def _counts(runbook: Runbook, state: RunState) -> tuple[int, int, int]:
    found = [state.step(step.id).status for task in runbook.tasks for step in task.steps]
    return found.count(StepStatus.DONE), found.count(StepStatus.TICKED), len(found)


def downtime_words(state: RunState, now: datetime) -> str:
    """`downtime 0:41:07`, once it has begun."""
    found = downtime(state, now)
    return f"downtime {text.duration(found)}" if found is not None else ""


def times_words(times: TaskTime) -> list[str]:
    """Planned, due and actual, a sentence each."""
    words = [f"planned: {text.span(*times.planned)}"] if times.planned else []
    if times.due is not None:
        words.append(f"due: {text.moment(times.due)}{', overdue' if times.overdue else ''}")
    if times.started is not None:
        ended = f", through {text.moment(times.ended)}" if times.ended else ""
        words.append(f"begun: {text.moment(times.started)}{ended}, its steps took {text.duration(times.worked)}")
    return words
