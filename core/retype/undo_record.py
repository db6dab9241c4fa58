"""What a conversion leaves behind for its undo: everything that it was planned from, as one file."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from core.errors import JournalError
from core.postgres.catalog import Catalog
from core.postgres.fingerprint import Difference
from core.postgres.identity import Identity
from core.retype.model import Plan, Repair, Scope
from core.retype.proof import compare_catalogs

FORMAT = 1


@dataclass(frozen=True)
class UndoRecord:
    """A conversion, as its undo has to know it.

    Attributes:
        before: the catalog that it was planned from.
        scope: the columns that it retyped.
        repairs: the texts that it put back otherwise than they were.
    """

    format: int
    identity: Identity
    before: Catalog
    scope: Scope
    repairs: tuple[Repair, ...]

    @classmethod
    def of(cls, plan: Plan, catalog: Catalog) -> UndoRecord:
        """
        Args:
            plan: the conversion's.
            catalog: what it was made from.
        """
        return cls(FORMAT, plan.identity, catalog, plan.scope, plan.repairs)

    @classmethod
    def read(cls, content: bytes) -> UndoRecord:
        """Read what `written` has given.

        Raises:
            JournalError: it is something else, or of another version of pgrecast.
        """
        try:
            record = _adapter().validate_json(gzip.decompress(content))
        except (OSError, EOFError, ValidationError):
            record = None
        if record is None or record.format != FORMAT:
            raise JournalError(
                "The conversion's record for its undo cannot be read by this version of pgrecast.",
                advice="Use the version that made the conversion, or the script undo.sql beside it.",
            )
        return record

    def written(self) -> bytes:
        return gzip.compress(_adapter().dump_json(self), mtime=0)

    def changed_since(self, catalog: Catalog) -> tuple[Difference, ...]:
        """What is neither as it was before the conversion nor as the conversion has made it."""
        plan = Plan(self.identity, "", self.scope, (), repairs=self.repairs)
        return compare_catalogs(plan, self.before, catalog)


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[UndoRecord]:
    return TypeAdapter(UndoRecord)
