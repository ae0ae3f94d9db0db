"""Settings from YAML and ``key=value`` overrides; the first thing wrong is said in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import ConfigError

Settings = TypeVar("Settings", bound=BaseModel)


class Section(BaseModel):
    """A part of some settings: unknown keys are refused, values keep their type and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def read_settings(path: Path, overrides: Sequence[str] = (), example: str = "default.yaml") -> dict[str, Any]:
    """The mapping in a YAML file with ``key=value`` overrides applied (dotted keys, YAML values).

    Parameters
    ----------
    example
        File of assets/ that a person is told to look at.

    Raises
    ------
    ConfigError
        If the file is missing or no YAML mapping, or an override cannot be read.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a readable YAML file", f"{path}: {error}", "check the path") from None
    except yaml.YAMLError as error:
        where = str(error).replace("\n", " ")
        raise ConfigError(f"valid YAML in {path}", where, "correct that line") from None
    if not isinstance(raw, dict):
        raise ConfigError(
            "a mapping of sections", f"a {type(raw).__name__} in {path}", f"see assets/{example}"
        )
    for override in overrides:
        _apply_override(raw, override)
    return raw


def validate_settings(model: type[Settings], raw: dict[str, Any]) -> Settings:
    """Validate a plain mapping.

    Raises
    ------
    ConfigError
        Of the first thing wrong.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise _sentence(model, error) from None


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise ConfigError("--set key=value", repr(override), "write for example --set training.epochs=5")
    node = raw
    *parents, leaf = key.split(".")
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"a section at {parent!r}", f"{key!r}", "set whole lists with --set list=[...]")
        node = child
    try:
        node[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"a YAML value for {key}", repr(value), "quote it") from None


def _sentence(model: type[BaseModel], error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        allowed = _allowed_keys(model, first["loc"])
        near = difflib.get_close_matches(str(first["loc"][-1]), allowed, n=1)
        fix = f"did you mean {near[0]!r}" if near else "remove it"
        return ConfigError(f"one of the keys {', '.join(allowed)}", f"the key {path!r}", fix)
    if first["type"] == "value_error":
        rule = str(first.get("ctx", {}).get("error", first["msg"]))
        return ConfigError(rule, f"another combination at {path or 'the top level'}", "correct the values")
    message = first["msg"][0].lower() + first["msg"][1:]
    return ConfigError(f"{path}: {message}", repr(first["input"]), "correct the value")


def _allowed_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc[:-1]:
        # Places in a list and names of entries are no fields: what they hold has been found already.
        if part in model.model_fields:
            model = next(_models(model.model_fields[str(part)].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
