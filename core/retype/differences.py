"""What the differences of two canonical forms amount to: key types, what follows from them, and everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.postgres.fingerprint import Difference
from core.retype.equivalence import Equivalence, Form
from core.retype.model import TypePair

Meaning = Literal["key type", "spelling", "other"]
"""`key type`: a column of one type has the other now. `spelling`: an expression is written with the casts that the new type
makes the server write, and says the same. `other`: anything else."""

# Kinds of objects whose texts hold expressions, by property.
_FORMS: dict[tuple[str, str], Form] = {
    ("column", "default"): "expression",
    ("constraint", "definition"): "constraint",
    ("policy", "using"): "expression",
    ("policy", "check"): "expression",
    ("published", "row_filter"): "expression",
}


@dataclass(frozen=True, slots=True)
class Weighed:
    difference: Difference
    meaning: Meaning


def weigh(differences: Sequence[Difference]) -> tuple[Weighed, ...]:
    """Tell of each difference what it means, taking the commonest change of a column's type for the conversion's."""
    types = _commonest(differences)
    equivalence = Equivalence(types) if types else None
    return tuple(Weighed(difference, _meaning(difference, equivalence)) for difference in differences)


def _commonest(differences: Iterable[Difference]) -> TypePair | None:
    changes = Counter(
        (difference.before, difference.after)
        for difference in differences
        if difference.property == "type" and isinstance(difference.before, str) and isinstance(difference.after, str)
    )
    return TypePair(*changes.most_common(1)[0][0]) if changes else None


def _meaning(difference: Difference, equivalence: Equivalence | None) -> Meaning:
    before, after = difference.before, difference.after
    if equivalence is None or not isinstance(before, str) or not isinstance(after, str):
        return "other"
    if difference.property == "type":
        return "key type" if equivalence.type_follows(before, after) else "other"
    kind = difference.object.partition(" ")[0]
    form = _FORMS.get((kind, difference.property))
    if form is None and difference.property == "definition":
        form = "statement"
    return "spelling" if form and equivalence.same_definition(before, after, form) else "other"
