"""What the command line prints when nobody reads it any more."""

from __future__ import annotations

import io
import sys

import pytest

from core.errors import Refused
from tui.cli.output import Output


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_an_error_that_nobody_reads_is_no_further_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Gone())
    Output(as_json=True).error(Refused("No."))
    assert sys.stdout is None


def test_an_error_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).error(Refused("No.", state="As it was.", advice="Do that."))
    told = capsys.readouterr()
    assert told.err == "pgrecast: No.\n  As it was.\n  Do that.\n"
    assert '"exit_status": 3' in told.out
