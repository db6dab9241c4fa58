"""The report of one conversion, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.events import PhaseFinished, Tally
from core.retype.course import total_of
from core.retype.estimate import Estimate
from core.retype.model import Phase, PlanWarning
from core.retype.proof import Proof
from core.retype.repair.diff import repair_diff
from core.runbook.markdown import block, bullets, code, table
from core.runbook.words import span


@dataclass(frozen=True)
class ConversionReport:
    """What the report tells.

    Attributes:
        where: the connection in words, without secrets.
        accepted: the warnings that were accepted before it began.
        outcome: `committed`, `rolled back`, or that it is not decided yet.
        after_commit: what leads back from it once it is committed, in a sentence.
        log: name of the statement log in the run directory.
        log_error: why the log is incomplete, None when it is whole.
    """

    target: str
    where: str
    expected: Estimate
    accepted: tuple[PlanWarning, ...]
    started: datetime
    seconds: float
    phases: tuple[PhaseFinished, ...]
    proof: Proof
    outcome: str
    after_commit: str
    log: str
    log_error: str | None = None


def tally_lines(tallies: Iterable[Tally]) -> list[str]:
    """The counts, added up, as sentences: in total, then by root key, what belongs together in one line.

    For example `Total users.id foreign keys dropped: 42, recreated: 42`.
    """
    by_noun: dict[tuple[str, str], dict[str, int]] = {}
    for tally in total_of(tallies):
        noun, _, verb = tally.what.rpartition(" ")
        by_noun.setdefault((noun, tally.root), {})[verb] = tally.count
    nouns = list(dict.fromkeys(noun for noun, _ in by_noun))
    lines: list[str] = []
    for noun in nouns:
        for (other, root), counts in sorted(by_noun.items(), key=lambda item: item[0][1]):
            if other == noun:
                figures = ", ".join(f"{verb}: {count:,}" for verb, count in counts.items())
                lines.append(f"Total {root + ' ' if root else ''}{noun} {figures}")
    return lines


def render(report: ConversionReport) -> str:
    """The report, in Markdown."""
    plan, proof = report.expected.plan, report.proof
    types = plan.scope.types
    return (
        "\n\n".join(
            (
                f"# Conversion of {report.target}: {report.outcome}",
                bullets(
                    (
                        f"Database: {code(report.where)}",
                        f"Identity: {code(str(plan.identity))}",
                        f"From {code(types.source)} to {code(types.target)}: {len(plan.scope.columns)} columns",
                        f"Plan: {code(plan.fingerprint)}",
                        f"Catalog before: {code(plan.catalog)}",
                        f"Begun: {report.started:%Y-%m-%d %H:%M:%S} UTC",
                        (
                            f"Open for: {span(report.seconds)} (expected {span(report.expected.seconds)}, "
                            f"{report.expected.basis})"
                        ),
                        f"Statements: {code(report.log)}"
                        + (f" (incomplete: {code(report.log_error)})" if report.log_error else ""),
                    )
                ),
                "## Counts",
                bullets(code(line) for line in tally_lines(t for phase in report.phases for t in phase.tallies))
                or "None.",
                "## Time by phase",
                table(
                    ("phase", "took", "expected"),
                    (
                        (
                            f"{phase.phase} {Phase(phase.phase).title}",
                            span(phase.seconds),
                            span(report.expected.phase(Phase(phase.phase))),
                        )
                        for phase in report.phases
                    ),
                ),
                f"## Proof: {proof.depth}, {'holds' if proof.held else 'does not hold'}",
                bullets(code(line) for line in proof.lines),
                "## Repairs",
                "\n\n".join(f"{code(r.reason)}\n\n{block(repair_diff(r), 'diff')}" for r in plan.repairs) or "None.",
                "## Warnings that were accepted",
                bullets(f"{code(w.id)}: {code(w.reason)} {code(w.consequence)}" for w in report.accepted) or "None.",
                "## Way back",
                _way_back(report),
            )
        )
        + "\n"
    )


def _way_back(report: ConversionReport) -> str:
    if report.outcome == "rolled back":
        return "Nothing has changed; there is nothing to go back from."
    if report.outcome == "committed":
        return report.after_commit
    return f"ROLLBACK, in about {span(report.expected.rollback)}. {report.after_commit}"
