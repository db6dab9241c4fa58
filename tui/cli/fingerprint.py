"""`pgrecast fingerprint`: the catalog's canonical form, or the difference of two."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from core.errors import UsageError
from core.postgres.fingerprint import Canonical, canonical, compare, fingerprint, from_json, to_json
from core.postgres.inspect import inspect
from core.retype.differences import Meaning, weigh
from core.settings import Settings
from tui.cli.output import Output
from tui.cli.targets import target_spec

DIFFERENT = 1


async def run(given: argparse.Namespace, settings: Settings, output: Output) -> int:
    """Print a database's canonical form with its fingerprint, or compare two files of that kind."""
    if given.files:
        return _compare(given.files, output)
    spec = await target_spec(given, settings)
    form = canonical(await inspect(spec, connections=settings.limits.connections))
    output.raw_document(to_json(form))
    output.lines([f"{fingerprint(form)}  {spec.database}: {len(form)} objects"])
    return 0


def _compare(files: list[Path], output: Output) -> int:
    if len(files) != 2:
        raise UsageError("To compare takes two files.", advice="pgrecast fingerprint BEFORE.json AFTER.json")
    before, after = (_read(path) for path in files)
    weighed = weigh(compare(before, after))
    counts: Counter[Meaning] = Counter(found.meaning for found in weighed)
    output.lines([f"{found.meaning:8}  {found.difference}" for found in weighed])
    output.lines([_summary(counts)])
    output.document(
        {
            "before": fingerprint(before),
            "after": fingerprint(after),
            "counts": dict(counts),
            "differences": [asdict(found.difference) | {"meaning": found.meaning} for found in weighed],
        }
    )
    return DIFFERENT if weighed else 0


def _summary(counts: Counter[Meaning]) -> str:
    if not counts:
        return "no difference"
    only = "" if counts["other"] else "; nothing but the key types differs"
    return (
        f"{counts['key type']} key types, {counts['spelling']} expressions spelt with the new type's casts, "
        f"{counts['other']} other differences{only}"
    )


def _read(path: Path) -> Canonical:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", state="") from error
    return from_json(text)
