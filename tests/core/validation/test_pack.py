from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.progress import Stopped
from core.review.notes import FILE, append_note, make_note
from core.validation import pack as packing
from core.validation.findings import STATUSES
from core.validation.material import Material
from core.validation.pack import JSON, MEASURED, PARTS, PackError, make_pack, read_pack
from core.validation.requirements import ANSWERS, REQUIREMENTS
from core.validation.sections.notes import list_notes

Packed = tuple[Path, dict[str, Any]]


def numbers(folder: Path) -> str:
    """Everything of a pack but its head, as it is written."""
    content = json.loads((folder / JSON).read_text())
    del content["made"]
    tables = {path.name: path.read_text() for path in sorted((folder / "tables").glob("*.csv"))}
    return json.dumps([content, tables])


def test_a_run_gone_on_with_gives_the_same_bytes_and_measures_nothing_again(
    material: Material, packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    with pytest.raises(Stopped):
        make_pack(material, tmp_path, cancelled=stop)
    kept = {path.stem for path in (tmp_path / PARTS).glob("*.json")}
    assert kept == set(list(MEASURED)[:6])
    assert not (tmp_path / JSON).exists()

    def refuse(_: Material) -> None:
        raise AssertionError("a finished section is measured again")

    for name in kept:
        monkeypatch.setitem(packing.MEASURED, name, refuse)
    make_pack(material, tmp_path)
    assert numbers(packed[0]) == numbers(tmp_path)
    assert not list((tmp_path / PARTS).glob("*.json"))


def test_a_section_measured_on_other_inputs_is_not_gone_on_with(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "MEASURED", {name: MEASURED[name] for name in ("purpose", "changes")})
    monkeypatch.setattr(packing, "ANSWERS", {name: () for name in ("purpose", "changes", "limits", "notes")})
    (tmp_path / PARTS).mkdir()
    section = MEASURED["changes"](material).to_dict() | {"title": "of other inputs"}
    (tmp_path / PARTS / "changes.json").write_text(json.dumps({"stamp": "other", "section": section}))
    pack = make_pack(material, tmp_path)
    assert "of other inputs" not in [section["title"] for section in pack["sections"]]


def test_every_section_and_requirement_is_there_and_every_finding_has_a_command(packed: Packed) -> None:
    folder, pack = packed
    assert [section["key"] for section in pack["sections"]] == list(ANSWERS)
    assert set(pack["requirements"]) == set(REQUIREMENTS)
    assert all(asked["sections"] for asked in pack["requirements"].values())
    findings = [finding for section in pack["sections"] for finding in section["findings"]]
    assert all(section["findings"] for section in pack["sections"])
    assert {finding["status"] for finding in findings} <= set(STATUSES)
    assert all(finding["command"].startswith("python -m core ") for finding in findings)
    assert pack["made"]["command"] == "typed"
    assert read_pack(folder) == json.loads(json.dumps(pack))


def test_every_input_has_its_digest_and_every_table_its_file(packed: Packed) -> None:
    folder, pack = packed
    assert {name.split("/")[0] for name in pack["inputs"]} >= {"model", "walk-forward", "bars"}
    assert all(len(digest) == 64 for digest in pack["inputs"].values())
    tables = {f"{s['key']}_{name}" for s in pack["sections"] for name in s["tables"]}
    assert {path.stem for path in (folder / "tables").glob("*.csv")} == tables
    series = next(section for section in pack["sections"] if section["key"] == "data")["tables"]["series"]
    stored = pd.read_csv(folder / "tables" / "data_series.csv")
    assert stored["bars"].tolist() == [line["bars"] for line in series] == [1400, 1400]


def test_assumptions_carry_a_number_or_say_they_are_not_tested(packed: Packed) -> None:
    limits = next(section for section in packed[1]["sections"] if section["key"] == "limits")
    for finding in limits["findings"]:
        assert "Not tested" in finding["said"] or any(digit in finding["said"] for digit in "0123456789")
    missed = [f for s in packed[1]["sections"] for f in s["findings"] if f["status"] == "not met"]
    known = [line["limit"] for line in limits["tables"]["known_limits"]]
    assert set(known) <= {finding["what"] for finding in missed}


def test_without_a_walk_forward_nothing_is_claimed_of_unseen_bars(material: Material) -> None:
    bare = replace(material, result=None, walked=None)
    for key in ("outcomes", "calibration", "slices", "monitoring", "labels"):
        findings = MEASURED[key](bare).findings
        assert {finding.status for finding in findings} == {"not tested"}
        assert "walk-forward" in findings[0].command


def test_the_last_verdict_on_this_version_decides(material: Material, home: Path) -> None:
    bundle = material.bundle
    for version, verdict, status in (
        ("older", "accepted", "not tested"),
        (bundle.version, "accepted", "met"),
        (bundle.version, "rejected", "not met"),
    ):
        append_note(home, make_note(bundle.name, version, verdict, "text", who="Ada"))
        assert list_notes(material).findings[0].status == status
    (home / FILE).unlink()


def test_a_folder_without_a_pack_or_with_half_of_one_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="finished pack"):
        read_pack(tmp_path)
    (tmp_path / JSON).write_text('{"format_version": 1}')
    with pytest.raises(PackError, match="finished pack"):
        read_pack(tmp_path)
