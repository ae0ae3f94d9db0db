"""The command that draws the page of a validation pack.

``python -m app.validation.command --folder FOLDER``, which ``python -m core validate`` hands over to.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.validation.sheet import draw_pack
from core.disk import write_text
from core.errors import InputError
from core.validation.pack import HTML, read_pack


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one page; bad input ends with one sentence on stderr and exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m app.validation.command", description="Draw the page of a validation pack."
    )
    parser.add_argument("--folder", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args(arguments)
    try:
        write_page(options.folder)
    except InputError as error:
        print(f"lookback: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lookback: Cannot write to {options.folder}: {error.strerror or error}.", file=sys.stderr)
        return 2
    print(options.folder / HTML)
    return 0


def write_page(folder: Path) -> Path:
    """The page of a finished pack, beside its numbers.

    Raises
    ------
    InputError
        If there is no finished pack in `folder`.
    """
    path = Path(folder) / HTML
    write_text(path, draw_pack(read_pack(folder)))
    return path


if __name__ == "__main__":
    sys.exit(main())
