"""The command line: ``python -m core COMMAND``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence

from core.cli import data, experiments, explain, model, trading, validation
from core.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence on stderr and exit code 2."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        result = options.run(options)
        print(json.dumps(result, indent=2, allow_nan=False) if options.json else options.show(result))
    except InputError as error:
        print(f"lookback: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read the output has seen enough; without this the interpreter complains when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("lookback: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core",
        description="Lookback without a screen. Bars live in LOOKBACK_HOME (default .lookback/).",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, show, help: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=help, description=help)
        added.add_argument("--json", action="store_true", help="print JSON for machines")
        added.set_defaults(run=run, show=show)
        return added

    for commands in (data, model, explain, experiments, trading, validation):
        commands.add_commands(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
