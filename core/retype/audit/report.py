"""From a script to its audit and its completed form: the one way that the runbook and the command line go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.postgres.catalog import Catalog
from core.retype.audit.asking import Asker
from core.retype.audit.completed import CannotComplete, Completed, complete, replacement, unified_diff
from core.retype.audit.finding import ORDER, Finding
from core.retype.audit.findings import Audit, audit, totals
from core.retype.audit.reading import read_script
from core.retype.model import Plan


@dataclass(frozen=True)
class Report:
    """An audit with the completed script.

    Attributes:
        name: of the script's file.
        diff: from the script to the completed one, in unified form.
    """

    name: str
    audit: Audit
    completed: Completed
    diff: str

    @property
    def completed_name(self) -> str:
        return completed_name(self.name)

    @property
    def totals(self) -> tuple[str, ...]:
        """The audit in a few lines."""
        return (*totals(self.audit), self._completion)

    @property
    def _completion(self) -> str:
        if self.completed.replaced_because:
            return f"It cannot be completed as it stands ({self.completed.replaced_because}): the six-phase script takes its place."
        if self.completed.text == self.audit.reading.script.text:
            return "There is nothing to complete."
        return "It is completed, and the completed script audited again: nothing is forgotten."

    def document(self) -> dict[str, Any]:
        """As one JSON document."""
        return {
            "script": self.name,
            "complete": self.audit.complete,
            "totals": list(self.totals),
            "foreign_keys": {
                "of_the_scope": len(self.audit.plan.scope.foreign_keys),
                "dropped": len(self.audit.dropped),
                "dropped_dynamically": sum(step.dynamic for step in self.audit.dropped.values()),
                "created_as_they_were": len(self.audit.exact),
                "created_otherwise": len(self.audit.otherwise),
            },
            "findings": [
                {"kind": f.kind, "line": f.line, "object": f.object, "said": f.said} for f in self.audit.findings
            ],
            "replaced_because": self.completed.replaced_because,
            "diff": self.diff,
        }


def completed_name(name: str) -> str:
    """NAME.completed.sql for NAME.sql."""
    return f"{name.removesuffix('.sql')}.completed.sql"


async def audit_script(asker: Asker, text: str, name: str, catalog: Catalog, plan: Plan) -> Report:
    """Audit a script and complete it. Nothing of it is run.

    Args:
        asker: answers what the script would ask the system catalogs.
        name: of its file, for the diff.
        plan: of the same conversion, made from `catalog`.
    """
    found = audit(await read_script(asker, text), catalog, plan)
    completed = await _completed(asker, found)
    diff = unified_diff(text, completed.text, name, completed_name(name))
    return Report(name, found, completed, diff)


async def _completed(asker: Asker, found: Audit) -> Completed:
    """The completed script, audited in its turn: what is not complete then is replaced altogether."""
    if found.complete and not found.of("slow") and not found.of("unclear"):
        return Completed(found.reading.script.text)
    try:
        text = complete(found)
    except CannotComplete as why:
        return replacement(found, str(why))
    again = audit(await read_script(asker, text), found.catalog, found.plan)
    left = [finding for kind in ORDER[:5] for finding in again.of(kind) if not _may_stay(finding)]
    return replacement(found, f"it would still not be right: {left[0]}") if left else Completed(text)


def _may_stay(finding: Finding) -> bool:
    """What is the person's to decide, or proved by the completed script when it runs."""
    left_open = finding.object == "the transaction" and finding.kind == "misses"
    return left_open or "created again by the script's own" in finding.said
