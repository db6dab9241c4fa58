"""Which revision is a schema really at? A pure decision, from the evidence for each revision.

A revision is *accepted* when its evidence says that it was applied, or when it has none, and all that it needs is accepted
too. What follows the last of the accepted ones must be wholly absent; then their heads are proved, whatever the version
table claims. Everything else is asked, never guessed: a revision that is there in part, one that changes data only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from core.revisions.evidence import Evidence, RevisionEvidence, Status, weigh
from core.revisions.graph import Graph
from core.revisions.obstacles import Obstacle, predict
from core.revisions.replay import Replay
from core.revisions.schema import Item, Schema
from core.revisions.spelling import TypePair, short
from core.revisions.version_table import Claim


class Verdict(StrEnum):
    AGREES = "agrees"
    """The schema is at what the version table claims."""
    PROVED = "proved"
    """The schema is at other revisions than the version table claims, and at no others than these."""
    AMBIGUOUS = "ambiguous"
    """The schema alone does not decide; the candidates and their questions do."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Revisions at which the schema may be.

    Attributes:
        rows: what the version table would hold; () for an empty one.
        question: which answer makes it this one.
        claimed: whether this is what the version table says.
    """

    rows: tuple[str, ...]
    question: str
    claimed: bool = False


@dataclass(frozen=True, slots=True)
class TypeDifference:
    """A column of another type than the whole history would give it."""

    schema: str
    table: str
    column: str
    live: str
    wanted: str

    def __str__(self) -> str:
        schema = "" if self.schema == "public" else f"{self.schema}."
        return f"{schema}{self.table}.{self.column}: live {short(self.live)}, migrations want {short(self.wanted)}"


@dataclass(frozen=True)
class Location:
    """Where a schema is in its history, and why.

    Attributes:
        claim: what the version table says; `unknown` are those of its rows that the history does not have.
        verdict: see there.
        rows: what the version table should hold: proved, or as claimed; None when it must be asked.
        candidates: the answers to choose from when it must be asked, the likeliest first.
        evidence: for each revision.
        pending: what is still to be run from `rows`, or from the first candidate.
        key_types: the differences of type that count as applied all the same.
        unmade: what is in the schema and no revision makes.
        early: what is in the schema although the revision that makes it has not run.
        obstacles: on what the pending revisions will fail.
        type_differences: columns whose type is not what the history's end wants.
        notes: what else should be known.
    """

    claim: Claim
    unknown: tuple[str, ...]
    verdict: Verdict
    rows: tuple[str, ...] | None
    candidates: tuple[Candidate, ...]
    evidence: tuple[RevisionEvidence, ...]
    pending: tuple[str, ...]
    key_types: tuple[TypePair, ...]
    unmade: tuple[Item, ...]
    early: tuple[tuple[Item, str], ...]
    obstacles: tuple[Obstacle, ...]
    type_differences: tuple[TypeDifference, ...]
    notes: tuple[str, ...] = ()


def locate(replay: Replay, live: Schema, live_major: int, claim: Claim, converted: Iterable[TypePair] = ()) -> Location:
    """Find the revisions that a schema is at.

    Args:
        replay: of the application's history.
        live: as `schema_of` gave it, with the replay's version table.
        live_major: major version of the live server.
        claim: what its version table says.
        converted: types that a conversion has just exchanged: columns that it left, or took along, count as applied but
            for key types. Not before: tables made by hand with the old type would count so, too.
    """
    evidence = weigh(replay, live, live_major, converted)
    frontier = _Frontier(replay, evidence, claim)
    rows, candidates, verdict = frontier.decide()
    graph = replay.graph
    chosen = rows if rows is not None else candidates[0].rows
    applied = graph.closure(chosen)
    return Location(
        claim=claim,
        unknown=tuple(row for row in claim.rows or () if row not in graph.by_id),
        verdict=verdict,
        rows=rows,
        candidates=candidates,
        evidence=evidence.revisions,
        pending=tuple(revision.id for revision in graph.pending(chosen)),
        key_types=tuple(sorted(evidence.spelling.pairs)),
        unmade=_unmade(replay, evidence),
        early=_early(replay, evidence, applied),
        obstacles=predict(replay, evidence.live, applied, evidence.spelling),
        type_differences=expected_types(replay, live),
        notes=tuple(_notes(replay, evidence, claim, frontier)),
    )


def expected_types(replay: Replay, live: Schema) -> tuple[TypeDifference, ...]:
    """The columns whose live type is another than the one that the history's end gives them: a scope to convert."""
    wanted = replay.schema_at(frozenset(replay.graph.by_id))
    return tuple(
        TypeDifference(item.schema, item.name, item.part, live[item]["type"], attributes["type"])
        for item, attributes in sorted(wanted.items(), key=lambda pair: pair[0])
        if item.kind == "column" and item in live and live[item]["type"] != attributes["type"]
    )


class _Frontier:
    def __init__(self, replay: Replay, evidence: Evidence, claim: Claim) -> None:
        self._replay = replay
        self._graph = replay.graph
        self._evidence = {found.revision: found for found in evidence.revisions}
        self._claim = claim
        self._statements = {replayed.revision: replayed.statements for replayed in replay.revisions}
        with_unknown = self._closed(lambda r: self._is_accepted(r) or self._evidence[r].status is Status.UNKNOWN)
        # What cannot be run on a scratch database has run where it was needed.
        needed = self._followed(with_unknown)
        self.accepted = self._closed(lambda r: self._is_accepted(r) or r in needed)
        self.proved = self._followed(self.accepted)

    def decide(self) -> tuple[tuple[str, ...] | None, tuple[Candidate, ...], Verdict]:
        """What the version table should hold, or None and the candidates; and the verdict."""
        rows = self._claim.rows or ()
        claimed = self._graph.closure(rows)
        is_sound = self._claim.rows is not None and set(rows) == set(self._graph.heads_of(claimed))
        if self._is_clean(self.accepted):
            if is_sound and self.proved <= claimed <= self.accepted and (rows or not self.accepted):
                return rows, (), Verdict.AGREES
            if not self._asked():
                return self._graph.heads_of(self.accepted), (), Verdict.PROVED
            candidates = self._by_data()
        else:
            candidates = [*self._by_drift(), *self._by_half()]
        marked = [
            Candidate(c.rows, c.question, claimed=is_sound and set(c.rows) == set(rows)) for c in _distinct(candidates)
        ]
        return None, tuple(sorted(marked, key=lambda candidate: not candidate.claimed)), Verdict.AMBIGUOUS

    def _is_accepted(self, revision: str) -> bool:
        status = self._evidence[revision].status
        return status.is_applied or status is Status.NO_EVIDENCE

    def _closed(self, accepts: Callable[[str], bool]) -> frozenset[str]:
        """The revisions that are accepted together with all that they need."""
        found: set[str] = set()
        for revision in self._graph.revisions:
            if accepts(revision.id) and found.issuperset(revision.needs):
                found.add(revision.id)
        return frozenset(found)

    def _followed(self, revisions: frozenset[str]) -> frozenset[str]:
        """Those that evidence proves, or that come before one that it proves."""
        proved = {r for r in revisions if self._evidence[r].status.is_applied and not self._evidence[r].weak}
        return self._graph.closure(proved)

    def _boundary(self, revisions: frozenset[str]) -> list[str]:
        """What could run next."""
        return [r.id for r in self._graph.revisions if r.id not in revisions and revisions.issuperset(r.needs)]

    def _is_clean(self, revisions: frozenset[str]) -> bool:
        return all(self._evidence[revision].status is Status.ABSENT for revision in self._boundary(revisions))

    def _asked(self) -> list[str]:
        """Revisions of which the schema does not tell whether they ran, although it matters."""
        return [
            revision.id
            for revision in self._graph.revisions
            if revision.id in self.accepted - self.proved and self._statements[revision.id]
        ]

    def without_effect(self) -> list[str]:
        """Accepted revisions of which the schema does not tell whether they ran, and nothing else would."""
        asked = self._asked()
        return [r.id for r in self._graph.revisions if r.id in self.accepted - self.proved and r.id not in asked]

    def _by_data(self) -> list[Candidate]:
        """With none of the revisions that only a person can tell of, then with each of them in turn."""
        asked = self._asked()
        unasked = frozenset(r for r in self.accepted if r not in asked and not self._graph.ancestors[r] & {*asked})
        first = f"{_listed(asked)} {'has' if len(asked) == 1 else 'have'} not run"
        candidates = [Candidate(self._graph.heads_of(unasked), f"{first} ({self._what_it_does(asked[0])})")]
        reached = unasked
        for revision in asked:
            reached |= self._graph.closure([revision])
            reached |= {r for r in self.accepted if not (self._graph.ancestors[r] | {r}) & ({*asked} - reached)}
            question = f"{revision} has run ({self._what_it_does(revision)})"
            candidates.append(Candidate(self._graph.heads_of(reached), question))
        return candidates

    def _by_drift(self) -> list[Candidate]:
        """As if what is missing of revisions that applied ones follow had been changed by hand since."""
        drifted = self._drifted()
        faults = [
            self._evidence[r.id] for r in self._graph.revisions if r.id in drifted and not self._is_accepted(r.id)
        ]
        said = "; ".join(f"{found.revision}: {_first(found)}" for found in faults)
        question = f"it is at these, and was changed by hand since; or else put it right and locate it again ({said})"
        return [Candidate(self._graph.heads_of(drifted), question)] if faults else []

    def _drifted(self) -> frozenset[str]:
        """What is accepted when revisions that are there in part, and that applied ones follow, are accepted too."""

        def tolerates(revision: str) -> bool:
            return self._is_accepted(revision) or self._evidence[revision].status in (Status.PARTIAL, Status.UNKNOWN)

        return self._followed(self._closed(tolerates)) | self.accepted

    def _by_half(self) -> list[Candidate]:
        """Without what is there in part at the end, and with each of it completed."""
        base = self._drifted()
        halves = [r for r in self._boundary(base) if self._evidence[r].status is not Status.ABSENT]
        if not halves:
            return []
        said = "; ".join(f"{half}: {_first(self._evidence[half])}" for half in halves)
        is_known = any(self._evidence[half].status is not Status.UNKNOWN for half in halves)
        first = "there in part, to be run after what is in the way is cleared" if is_known else "not run yet"
        question = f"{_listed(halves)} {'is' if len(halves) == 1 else 'are'} {first} ({said})"
        then = "will be completed by hand" if is_known else "has run"
        return [
            Candidate(self._graph.heads_of(base), question),
            *(Candidate(self._graph.heads_of(base | {half}), f"{half} {then}") for half in halves),
        ]

    def _what_it_does(self, revision: str) -> str:
        statements = self._statements[revision]
        text = " ".join(statements[0].split())
        more = f", and {len(statements) - 1} more" if len(statements) > 1 else ""
        return f"it sends: {text[:160]}{'...' if len(text) > 160 else ''}{more}"


def _distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    found: dict[tuple[str, ...], Candidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.rows, candidate)
    return list(found.values())


def _listed(revisions: list[str]) -> str:
    return ", ".join(revisions)


def _first(found: RevisionEvidence) -> str:
    more = f", and {len(found.differences) - 1} more" if len(found.differences) > 1 else ""
    return (found.differences[0] if found.differences else found.note or "nothing is known of it") + more


def _made_by(replay: Replay) -> dict[Item, list[str]]:
    made: dict[Item, list[str]] = {}
    for replayed in replay.revisions:
        for change in replayed.changes:
            if change.before is None:
                made.setdefault(change.item, []).append(replayed.revision)
    return made


def _unmade(replay: Replay, evidence: Evidence) -> tuple[Item, ...]:
    """What no revision makes: of what no revision makes as a whole, not its parts too."""
    made = _made_by(replay)
    unmade = {item for item in evidence.live if item not in made and item not in replay.base and item.kind != "comment"}
    wholes = {item.owner for item in unmade if not item.part}
    return tuple(sorted(item for item in unmade if not item.part or item.owner not in wholes))


def _early(replay: Replay, evidence: Evidence, applied: frozenset[str]) -> tuple[tuple[Item, str], ...]:
    """What is there although no revision that makes it has run, with the first that will."""
    early = {
        item: revisions[0]
        for item, revisions in _made_by(replay).items()
        if item in evidence.live and item.kind != "comment" and not applied.intersection(revisions)
    }
    wholes = {item.owner for item in early if not item.part}
    return tuple(sorted((i, r) for i, r in early.items() if not i.part or i.owner not in wholes))


def _notes(replay: Replay, evidence: Evidence, claim: Claim, frontier: _Frontier) -> Iterable[str]:
    graph: Graph = replay.graph
    rows = claim.rows or ()
    if claim.rows is None:
        yield f"There is no table {graph.version_table.name}."
    elif not rows:
        yield f"The table {graph.version_table.name} is empty."
    for row in rows:
        if row not in graph.by_id:
            yield f"The version table names {row}, which is no revision of this history (Can't locate revision)."
    if overlapping := set(graph.closure(rows)) & set(rows) - set(graph.heads_of(graph.closure(rows))):
        yield f"The version table names {', '.join(sorted(overlapping))} besides revisions that follow it."
    if silent := frontier.without_effect():
        yield f"{', '.join(silent)} sends no SQL: whether it has run makes no difference."
    indexes = [found.revision for found in evidence.revisions if found.weak and found.status.is_applied]
    if indexes:
        yield f"{', '.join(indexes)} is told by an index alone, which somebody may have made by hand."
    failed = [replayed.revision for replayed in replay.revisions if replayed.failures]
    if failed:
        yield f"{', '.join(failed)} could not be replayed in full; see its failures."
    for item, name in sorted(evidence.renamed.items()):
        yield f"{item} is called {name} here."
    if evidence.spelling.other_server:
        yield "The scratch server is of another major version: definitions were compared without their spelling."
