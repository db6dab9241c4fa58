"""Functions whose bodies will fail after a conversion: found before anything is changed, and repaired where that is certain.

PostgreSQL keeps the body of a function as text and does not look at it when types change under it. Here bodies are read
(`plpgsql`), and each statement is type-checked on an empty clone before and after its conversion (`examine`, `sql_body`), without
running any (`look`): what type-checks before and fails after is a finding (`verdict`). `mend` puts casts into a body where exactly
one would do. What an operator is told of it, and may choose, is in `findings`.
"""

from core.retype.bodies.check import BodyCheck
from core.retype.bodies.findings import (
    ALL,
    ASK,
    PREFIX,
    Found,
    blockers,
    found_of,
    id_of_repair,
    notes,
    offered,
    repairs_chosen,
    require_offered,
    warnings,
)
from core.retype.bodies.selection import are_any_to_check

__all__ = [
    "ALL",
    "ASK",
    "PREFIX",
    "BodyCheck",
    "Found",
    "are_any_to_check",
    "blockers",
    "found_of",
    "id_of_repair",
    "notes",
    "offered",
    "repairs_chosen",
    "require_offered",
    "warnings",
]
