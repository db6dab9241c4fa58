"""What stands for another machine to which the demo's backup is copied: `copy FROM TO`, and `checksums FOLDER`."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Copy a folder, or print its files' checksums as sha256sum does."""
    match arguments:
        case ["copy", source, target]:
            shutil.copytree(source, target, dirs_exist_ok=True)
        case ["checksums", folder]:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}")
        case _:
            sys.exit("usage: copy FROM TO | checksums FOLDER")


if __name__ == "__main__":
    main(sys.argv[1:])
