"""The word for what is wrong with a script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["loses", "fails", "misses", "changes", "unclear", "slow"]
ORDER: Final[tuple[Kind, ...]] = ("loses", "fails", "misses", "changes", "unclear", "slow")
MEANINGS: Final[dict[Kind, str]] = {
    "loses": "what it drops and does not bring back",
    "fails": "where PostgreSQL refuses, or it stops",
    "misses": "what it leaves out",
    "changes": "what it would change besides the types",
    "unclear": "what cannot be read without running it",
    "slow": "what takes longer than it needs to",
}


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    object: str
    said: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.object}: {self.said}"
