"""What backtests leave in the home folder: finished parts, for a kill to cost little, and every trial.

A backtest's folder is ``backtests/KEY``, the key a digest of everything that it depends on; each part is one
JSON file written whole. ``backtests/trials.jsonl`` has a line for every setting at its first backtest and is
only ever added to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import __version__
from core.data.inputs import BarsBySeries, series_key
from core.disk import digest_bars, digest_json, hold_lock, plain, write_json
from core.errors import InputError
from core.trading.rules import Rules
from core.training.tracking import count_runs

FOLDER = "backtests"
TRIALS = "trials.jsonl"
FORMAT_VERSION = 1
_PATIENCE = 10


class Kept:
    """Finished parts of one backtest.

    Parameters
    ----------
    folder
        Of the backtest; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def recall(self, part: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A part as plain values, made where it is not kept or cannot be read; NaN comes back as None."""
        if self.folder is None:
            return plain(make())
        path = self.folder / f"{part}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(found, dict):
                return found
        except (OSError, UnicodeDecodeError, json.JSONDecodeError):
            pass
        made = plain(make())
        write_json(path, made)
        return made


def setting_key(fingerprint: str, rules: Rules, timeframe: str, start: str | None, end: str | None) -> str:
    """Digest of what a person chose: one walk-forward's calls, the rules and the time; 64 hex digits."""
    chosen = {"walk_forward": fingerprint, "rules": rules.model_dump(mode="json"), "timeframe": timeframe}
    return digest_json(chosen | {"start": start, "end": end})


def result_key(setting: str, bars: BarsBySeries) -> str:
    """Digest of a setting, the bars and the version of the code; 64 hex digits."""
    series = ((series_key(*key), frame) for key, frame in sorted(bars.items()))
    return digest_json([FORMAT_VERSION, __version__, setting, digest_bars(series)])


def count_trial(home: Path, setting: str) -> int:
    """Add a setting to the trials, once, and count all looked at: MLflow's runs and the settings.

    Raises
    ------
    InputError
        If another process holds the file for long.
    """
    folder = Path(home) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TRIALS
    busy = InputError("the list of trials", f"another process at work on {path}", "try again")
    with hold_lock(folder / f".{TRIALS}.lock", _PATIENCE, busy):
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        settings = set(lines)
        line = json.dumps({"setting": setting})
        if line not in settings:
            settings.add(line)
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
    return count_runs(Path(home)) + len(settings)
