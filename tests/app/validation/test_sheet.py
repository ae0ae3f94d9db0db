from __future__ import annotations

import re

from app.validation.sheet import draw_pack, show_number
from core.validation.findings import Section, count_statuses, judge
from core.validation.requirements import ANSWERS, REQUIREMENTS

HOSTILE = '<img src="https://evil.example/x.png" onerror="alert(1)">'


def small_pack() -> dict:
    """One section that says hostile things and holds every table that is drawn."""
    tables = {
        "calibration": [
            {"task": "direction", "part": "all", "name": "all", "rows": 10, "ece": 0.1, "limit": None},
            {
                "task": "direction",
                "part": "year",
                "name": HOSTILE,
                "rows": 9,
                "ece": 0.1,
                "limit": 0.2,
                "off": True,
            },
        ],
        "sensitivity": [{"task": "direction", "disturbance": "noise", "flipped": None, "limit": 0.1}],
        "long": [{"row": number, "text": HOSTILE} for number in range(50)],
    }
    section = Section(
        "calibration", HOSTILE, (judge(HOSTILE, False, HOSTILE, HOSTILE),), tables, {"a": HOSTILE}
    )
    others = [Section(key, key) for key in ANSWERS if key != "calibration"]
    return {
        "model": {"name": "small", "version": "abc"},
        "made": {"by": HOSTILE, "at": "now", "command": "typed", "python": "3"},
        "inputs": {HOSTILE: "0" * 64},
        "counts": count_statuses([section]),
        "requirements": {
            key: vars(asked) | {"sections": [name for name, keys in ANSWERS.items() if key in keys]}
            for key, asked in REQUIREMENTS.items()
        },
        "sections": [part.to_dict() for part in (section, *others)],
    }


def test_the_page_loads_nothing_and_text_stays_text() -> None:
    page = draw_pack(small_pack())
    body = page[page.index("<body>") :]
    # What stands in scripts is data of figures; the policy of the page forbids all loading besides.
    shown = re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL)
    assert not re.search(r"<(img|script|link|iframe)\b", shown)
    assert not re.search(r"""(src|href)=["']?https?:""", shown)
    assert "default-src 'none'" in page
    assert shown.count("&lt;img") > 10
    assert "<img src=" not in body


def test_a_long_table_is_cut_and_says_where_the_rest_is() -> None:
    page = draw_pack(small_pack())
    assert "tables/calibration_long.csv holds all of them." in page
    assert "not met: " in page


def test_cells_read_as_a_person_writes_them() -> None:
    assert [show_number(value) for value in (None, True, 0.5, 12_345, 7, "a")] == [
        "–", "yes", "0.5000", "12,345", "7", "a",
    ]  # fmt: skip
