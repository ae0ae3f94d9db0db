"""Notes and verdicts of reviewers: appended to one file of the home folder, never changed.

``notes.jsonl`` holds one note a line. Each line carries the SHA-256 of the line before it, so that a line
taken out or changed afterwards is found.
"""

from __future__ import annotations

import getpass
import json
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from core.disk import digest_parts, hold_lock
from core.errors import InputError
from core.review.rows import RowFilter

Verdict = Literal["accepted", "to be fixed", "rejected"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Subject = Literal["model", "slice", "prediction"]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)

FILE = "notes.jsonl"
MOST_TEXT = 2000
MOST_NAME = 100
_WAIT = 10.0


class NotesError(InputError):
    """A note that cannot be taken, or a file of notes that is not as it was written."""


@dataclass(frozen=True)
class Note:
    """What somebody said of a model, a slice of its predictions or one prediction.

    Attributes
    ----------
    model, version
        Of the model the note speaks of.
    subject, about
        What kind of thing, and which: "" for the model, a slice in words, a prediction as
        ``AAPL 1d 2013-03-01T00:00 direction``.
    who, when
        As given, and UTC in ISO 8601.
    text
        Plain text, never markup.
    """

    model: str
    version: str
    subject: Subject
    about: str
    verdict: Verdict
    who: str
    when: str
    text: str


def make_note(
    model: str,
    version: str,
    verdict: str,
    text: str,
    *,
    subject: str = "model",
    about: str = "",
    who: str | None = None,
) -> Note:
    """A note as of now, its text cleaned of control characters.

    Parameters
    ----------
    who
        None is the person the operating system names.

    Raises
    ------
    NotesError
        If the verdict or subject is unknown, the text or the name empty or too long, or what a slice or a
        prediction is about missing.
    """
    if verdict not in VERDICTS:
        raise NotesError(f"a verdict out of {', '.join(VERDICTS)}", repr(verdict), "choose one")
    if subject not in SUBJECTS:
        raise NotesError(f"a subject out of {', '.join(SUBJECTS)}", repr(subject), "choose one")
    cleaned = {
        "text": _clean(text, MOST_TEXT, "text"),
        "who": _clean(getpass.getuser() if who is None else who, MOST_NAME, "name"),
        "about": "" if subject == "model" else _clean(about, MOST_NAME * 2, f"{subject} it is about"),
    }
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return Note(model=model, version=version, subject=subject, verdict=verdict, when=when, **cleaned)  # type: ignore[arg-type]


def append_note(home: Path, note: Note) -> None:
    """Write a note behind all others; another process waits its turn, and a kill leaves whole lines.

    Raises
    ------
    NotesError
        If another process holds the file for ten seconds.
    """
    path = Path(home) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    refusal = NotesError("the file of notes to be free", "one that is being written", "try again")
    with hold_lock(path.with_name(f".{FILE}.lock"), _WAIT, refusal):
        lines = _read_lines(path)
        # A line without its end was cut off by a kill while it was written: it was never acknowledged.
        whole = [line for line in lines if line.endswith(b"\n")]
        entry = asdict(note) | {"before": digest_parts([whole[-1]]) if whole else ""}
        line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode() + b"\n"
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.truncate(sum(map(len, whole)))
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def read_notes(
    home: Path, model: str | None = None, subject: Subject | None = None, about: str | None = None
) -> list[Note]:
    """Notes in the order they were made, of one model, kind of subject or subject where asked.

    Raises
    ------
    NotesError
        If a line was changed or taken out, or cannot be read.
    """
    return [
        note
        for note in _read_all(Path(home) / FILE)
        if model in (None, note.model) and subject in (None, note.subject) and about in (None, note.about)
    ]


def name_slice(chosen: RowFilter) -> str:
    """What a note on the rows of a filter is about: 'direction, instrument BBB'."""
    parts = [
        f"{name} {value}" for name, value in asdict(chosen).items() if name != "task" and value is not None
    ]
    return ", ".join([chosen.task, *parts])


def _read_all(path: Path) -> Iterator[Note]:
    before = ""
    for number, line in enumerate(_read_lines(path), 1):
        if not line.endswith(b"\n"):
            return
        try:
            entry = json.loads(line)
            if entry.pop("before") != before:
                raise ValueError("it does not follow the line before it")
            note = Note(**entry)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise NotesError(
                f"line {number} of {path} as it was written", str(error), "restore the file from a copy"
            ) from None
        before = digest_parts([line])
        yield note


def _read_lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []


def _clean(text: str, most: int, what: str) -> str:
    """Text without control and formatting characters, spaces at its ends cut off; lines stay."""
    kept = "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C").strip()
    if not kept or len(kept) > most:
        raise NotesError(
            f"a {what} of 1 to {most} characters",
            f"{len(kept)} characters",
            "shorten it" if kept else "write something",
        )
    return kept
