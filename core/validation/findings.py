"""What a section of the validation pack says: findings with a status, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pandas as pd

from core.disk import plain
from core.validation.requirements import ANSWERS

Status = Literal["met", "not met", "not tested"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Finding:
    """One line of the pack.

    Attributes
    ----------
    what
        The claim that was looked at, as it would read where it holds.
    status
        Whether it holds; ``not tested`` where nothing was measured, and `said` then says why.
    said
        What was measured, in a sentence with its numbers.
    command
        What measures it again.
    """

    what: str
    status: Status
    said: str
    command: str


@dataclass(frozen=True)
class Section:
    """One section of the pack.

    Attributes
    ----------
    key
        Out of `core.validation.requirements.ANSWERS`, which says what it answers.
    title
        Heading.
    findings
        In reading order.
    tables
        Numbers behind them by name: a list of rows, each column name to a plain value.
    facts
        What is stated without a verdict, name to text.
    """

    key: str
    title: str
    findings: tuple[Finding, ...] = ()
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.key not in ANSWERS:
            raise ValueError(f"expected a section out of {', '.join(ANSWERS)}, got {self.key!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the requirements answered."""
        return {
            "key": self.key,
            "title": self.title,
            "answers": list(ANSWERS[self.key]),
            "facts": dict(self.facts),
            "findings": [vars(finding) for finding in self.findings],
            "tables": {name: plain(list(rows)) for name, rows in self.tables.items()},
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Section:
        """The inverse of `to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where something is missing or unknown.
        """
        return cls(
            key=raw["key"],
            title=raw["title"],
            findings=tuple(Finding(**finding) for finding in raw["findings"]),
            tables=dict(raw["tables"]),
            facts=dict(raw["facts"]),
        )


def judge(what: str, holds: bool | None, said: str, command: str) -> Finding:
    """A finding that is met where `holds`, not met where not, and not tested for None."""
    status: Status = "not tested" if holds is None else "met" if holds else "not met"
    return Finding(what, status, said, command)


def count_statuses(sections: Sequence[Section]) -> dict[str, int]:
    """How many findings of several sections have each status."""
    found = [finding.status for section in sections for finding in section.findings]
    return {status: found.count(status) for status in STATUSES}


def as_rows(table: pd.DataFrame, index: str) -> list[dict[str, Any]]:
    """A table as rows of plain values, its index as the column `index`."""
    named = table.rename_axis(index).reset_index()
    return [plain({str(key): value for key, value in row.items()}) for row in named.to_dict("records")]


def percent(share: float, digits: int = 1) -> str:
    """A share in [0, 1] as percent; a dash where it is unknown."""
    return f"{100 * share:.{digits}f}%" if share == share else "–"
