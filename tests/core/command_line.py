"""Commands as a person or a script would give them, in process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.__main__ import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What a command that works answers to machines."""
    code = main([*arguments, "--json"])
    output = capsys.readouterr()
    assert code == 0, output.err
    return json.loads(output.out)


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The sentence a command that is refused ends with."""
    assert main([*arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("lookback: Expected")
    return said
