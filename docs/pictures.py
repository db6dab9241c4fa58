"""Make a picture of a run's console: `python docs/pictures.py RUN --name board-80x24 --keys "5 enter"`.

RUN is a run directory; its journal is replayed, up to `--until` if given, into the real console, keys are pressed, and the
screen is written as SVG and PNG. Nothing is connected to and nothing is changed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import resvg_py

from core.engine.protocol import Command, ReadingFrame, RecordFrame, Reply, Welcome
from core.events import Actor, Record
from core.journal import read_journal
from core.runbook.recovery import RECOVERY
from core.runbook.state import fold_all
from core.settings import Settings
from tui.app import Console

FONT = "DejaVu Sans Mono"
DRAWN_WITHIN = 100
"""Looks at the console, a twentieth of a second apart, until the replay is through."""


class Replay:
    """A client whose engine says what a journal holds, and then nothing."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    async def attach(self, *, role: Literal["operator", "watcher", "approver"], name: str, since: int = 0) -> Welcome:
        operator = fold_all(self._records).operator
        actor = Actor(name=name, role=role)
        return Welcome(client=operator or "replay", actor=actor, program="", run="", last=self._records[-1].seq)

    async def frames(self) -> AsyncIterator[RecordFrame | ReadingFrame]:
        for record in self._records:
            yield RecordFrame(record=record)
        await asyncio.Event().wait()

    async def send(self, command: Command) -> Reply:
        return Reply(accepted=False, reason="This is a replay.")

    async def detach(self) -> None: ...


async def picture(records: Sequence[Record], keys: Sequence[str], size: tuple[int, int]) -> str:
    """The console after the records and the keys, as SVG."""

    def now() -> datetime:
        return records[-1].at

    console = Console(Replay(records), runbook=RECOVERY, settings=Settings(), role="operator", name="operator", now=now)
    async with console.run_test(size=size) as pilot:
        for _ in range(DRAWN_WITHIN):
            if console.store.state.last >= records[-1].seq:
                break
            await pilot.pause(0.05)
        await pilot.press(*keys)
        for _ in range(3):  # a drawing can change the layout, which the next one fills
            console.draw()
            await pilot.pause()
        return console.export_screenshot(title="pgrecast").replace("Fira Code, monospace", FONT)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument("--name", required=True, help="of the files, without .svg and .png")
    parser.add_argument(
        "--keys", default="", help='pressed before the picture is taken, as Textual names them: "7 enter"'
    )
    parser.add_argument("--size", default="80x24", help="columns and rows (default: %(default)s)")
    parser.add_argument("--until", type=int, help="sequence number of the last event that is replayed")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="where to (default: beside this script)"
    )
    given = parser.parse_args()
    records = [r for r in read_journal(given.run) if given.until is None or r.seq <= given.until]
    if not records:
        parser.error(f"The journal in {given.run} holds no event up to {given.until}.")
    columns, rows = map(int, given.size.split("x"))
    svg = asyncio.run(picture(records, given.keys.split(), (columns, rows)))
    (given.out / f"{given.name}.svg").write_text(svg, encoding="utf-8")
    (given.out / f"{given.name}.png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=svg)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
