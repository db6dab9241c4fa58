"""What a packager relies on: entry point, typing markers, and pins that hold without any index named in them."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PINS = sorted((REPOSITORY / "requirements").glob("*.txt"))


def requirement_blocks(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def test_installed_entry_point() -> None:
    (script,) = metadata.distribution("pgrecast").entry_points.select(group="console_scripts", name="pgrecast")
    assert script.value == "tui.cli:main"


@pytest.mark.parametrize("package", ["core", "tui"])
def test_packages_are_typed(package: str) -> None:
    assert resources.files(package).joinpath("py.typed").is_file()


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.stem)
def test_pins_are_exact_hashed_and_name_no_index(path: Path) -> None:
    lines = [line for line in requirement_blocks(path.read_text()) if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9_.\[\]-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert "://" not in line
        assert not line.startswith("-")


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    for pins, wanted in (("runtime", project["dependencies"]), ("dev", project["optional-dependencies"]["dev"])):
        pinned = {
            line.split("==")[0]
            for line in requirement_blocks((REPOSITORY / "requirements" / f"{pins}.txt").read_text())
        }
        names = {re.split(r"[\[<>=,; ]", requirement)[0] for requirement in wanted}
        assert names <= pinned
