"""What reviewers said of the model, its slices and its predictions."""

from __future__ import annotations

from dataclasses import asdict

from core.review.notes import read_notes
from core.validation.findings import Section, judge
from core.validation.material import Material

TITLE = "Reviewers' notes"


def list_notes(material: Material) -> Section:
    """Every note on this model; the last verdict on the model in this version decides."""
    bundle = material.bundle
    notes = read_notes(material.store.home, bundle.name)
    command = f"python -m core note --model {bundle.name} --verdict accepted --text TEXT"
    verdicts = [note for note in notes if note.subject == "model" and note.version == bundle.version]
    what = "A reviewer has accepted this version of the model"
    open_ = sum(note.verdict != "accepted" for note in notes)
    if verdicts:
        last = verdicts[-1]
        said = (
            f"{last.who}, {last.when[:10]}: {last.verdict}. {len(notes)} notes in all, {open_} not accepting."
        )
        finding = judge(what, last.verdict == "accepted", said, command)
    else:
        said = f"No verdict on version {bundle.version}; {len(notes)} notes in all."
        finding = judge(what, None, said, command)
    independent = judge(
        "Whoever validates did not build the model",
        None,
        f"The program does not know who built it; {len({note.who for note in notes})} people left notes.",
        command,
    )
    return Section("notes", TITLE, (finding, independent), {"notes": [asdict(note) for note in notes]})
