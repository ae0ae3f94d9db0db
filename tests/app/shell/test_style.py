"""Captions can be read in both themes; shares keep their colours where the system forces its own."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from app.live.panels import STYLE as PANELS
from app.shell.style import CAPTION_OPACITY, STYLE

THEMES = tomllib.loads((Path(__file__).resolve().parents[3] / ".streamlit" / "config.toml").read_text())[
    "theme"
]


def channels(color: str) -> list[int]:
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(rgb: list[float]) -> float:
    shares = [c / 255 for c in rgb]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["backgroundColor", "secondaryBackgroundColor"])
def test_captions_stand_out_by_four_and_a_half_to_one(theme: str, ground: str) -> None:
    text, back = (channels(THEMES[theme][name]) for name in ("textColor", ground))
    seen = [CAPTION_OPACITY * t + (1 - CAPTION_OPACITY) * b for t, b in zip(text, back, strict=True)]
    light, dark = sorted((luminance(seen), luminance([float(b) for b in back])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_the_parts_that_keep_their_colours_are_those_of_the_panels() -> None:
    kept = STYLE.partition("forced-colors")[2]
    assert "forced-color-adjust: none" in kept
    for name in (".lb-track", ".lb-fill", ".lb-call"):
        assert name in kept
        assert f"{name} {{" in PANELS
