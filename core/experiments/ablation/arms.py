"""What an ablation varies: arms by name, built in or read from YAML.

An arm is a mapping of configuration sections to what it changes in them (``tasks`` maps a task to its
``weight`` or ``direct`` inputs). Two further keys stand beside sections or alone: ``mean_of``, a list of
other arms whose probabilities are averaged and nothing is trained; and ``per_series: true``, one model for
each series instead of one for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from core.config import Config, parse_config
from core.errors import ConfigError

Arm = Mapping[str, Any]

WHOLE = "whole model"
SEED = "another seed"
MEAN_OF, PER_SERIES = "mean_of", "per_series"
ARMS: dict[str, dict[str, Any]] = {
    WHOLE: {},
    "no temporal bias": {"model": {"temporal_bias": False}},
    "no windows": {"model": {"windows": [None, None, None, None]}},
    "no deep supervision": {"loss": {"auxiliary": 0.0}},
    "no feature gate": {"model": {"feature_gate": False}, "loss": {"gate_l1": 0.0}},
    "no calibration loss": {"loss": {"calibration": 0.0}},
    "one label a window": {"training": {"dense": False}},
    SEED: {"training": {"seed": 1}},
}
"""Settings changed in each arm. The last says how far two runs of the same thing lie apart."""

# What is asked, and on which rows: an arm that moved these would be compared with another question.
_FIXED = ("name", "split", "labels")
_SECTIONS = ("data", "model", "loss", "training")


def read_arms(path: Path) -> dict[str, dict[str, Any]]:
    """Arms of a YAML file, name by name, after the whole model with no settings changed.

    Raises
    ------
    ConfigError
        If the file cannot be read or is no mapping of names to mappings.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        where = str(error).replace("\n", " ")
        raise ConfigError("a readable YAML file of arms", f"{path}: {where}", "correct it") from None
    if not isinstance(raw, dict) or not all(isinstance(arm, dict) for arm in raw.values()):
        raise ConfigError(
            "a mapping of arms, each a mapping of sections",
            f"something else in {path}",
            "write for example: 'wider: {model: {d_model: 256}}'",
        )
    return {WHOLE: {}} | {str(name): arm for name, arm in raw.items()}


def check_arms(arms: Mapping[str, Arm], config: Config) -> None:
    """Find what is wrong with any arm before the first is trained.

    Raises
    ------
    ConfigError
        If there is no whole model, an arm changes what is asked or a value that is not allowed, or averages
        arms that are not there or average others themselves.
    """
    if WHOLE not in arms:
        raise ConfigError(f"an arm called {WHOLE!r}", ", ".join(arms), "add it with no settings")
    trained = [name for name, arm in arms.items() if MEAN_OF not in arm]
    for name, arm in arms.items():
        if MEAN_OF not in arm:
            change_config(config, arm)
            continue
        members = arm[MEAN_OF]
        if len(arm) > 1 or not isinstance(members, list) or not members or set(members) - set(trained):
            raise ConfigError(
                f"{MEAN_OF} alone, with a list of arms that are trained", f"{arm} at {name!r}", "correct it"
            )


def change_config(config: Config, arm: Arm) -> Config:
    """The configuration an arm trains with.

    Raises
    ------
    ConfigError
        If a key or value is not allowed.
    """
    raw = config.model_dump(mode="json")
    for section, values in arm.items():
        if section == PER_SERIES:
            continue
        if section == "tasks":
            _change_tasks(raw["tasks"], values)
        elif section in _SECTIONS and isinstance(values, Mapping):
            raw[section] |= values
        else:
            fix = "labels and rows are the same in every arm" if section in _FIXED else "correct the key"
            raise ConfigError(
                f"sections out of {', '.join(_SECTIONS)} and tasks, {MEAN_OF} or {PER_SERIES}",
                repr(section),
                fix,
            )
    return parse_config(raw)


def _change_tasks(tasks: list[dict[str, Any]], wanted: Any) -> None:
    by_name = {task["name"]: task for task in tasks}
    for name, values in wanted.items() if isinstance(wanted, Mapping) else [("tasks", wanted)]:
        if name not in by_name or not isinstance(values, Mapping) or not set(values) <= {"weight", "direct"}:
            raise ConfigError(
                f"a weight or direct inputs for a task out of {', '.join(by_name)}",
                f"{values!r} for {name!r}",
                "write for example tasks: {regime: {weight: 2.0}}",
            )
        by_name[name] |= values
