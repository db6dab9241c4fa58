"""What the command line prints when nobody reads it any more."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.errors import Refused
from core.redaction import Redactor
from tui.cli import output
from tui.cli.output import Output


class Gone(io.StringIO):
    error: OSError = BrokenPipeError(32, "Broken pipe")

    def write(self, text: str) -> int:
        raise self.error


def test_an_error_that_nobody_reads_is_no_further_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Gone())
    Output(as_json=True).error(Refused("No."))
    assert sys.stdout is None


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(5, "Input/output error")])
def test_what_was_done_is_done_though_nobody_reads_it(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """A closed pipe, or a terminal that has gone without SIGHUP (disown): a committed conversion still ends with 0."""
    gone = Gone()
    gone.error = error
    monkeypatch.setattr(sys, "stdout", gone)
    Output(as_json=False).lines(["committed", "proof holds"])
    Output(as_json=True).document({"outcome": "committed"})
    assert sys.stdout is None


def test_a_short_secret_leaves_the_document_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Redactor()
    own.add(SecretStr("50"))
    own.add(SecretStr("true"))
    monkeypatch.setattr(output, "redactor", own)
    Output(as_json=True).document({"rows": 50, "whole": True, "text": "50 rows", "path": Path("x")})
    assert json.loads(capsys.readouterr().out) == {"rows": 50, "whole": True, "text": "*** rows", "path": "x"}


def test_an_error_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).error(Refused("No.", state="As it was.", advice="Do that."))
    told = capsys.readouterr()
    assert told.err == "pgrecast: No.\n  As it was.\n  Do that.\n"
    assert '"exit_status": 3' in told.out
