"""Files of bars out of what they are packed in: gzip, bzip2, xz, zstandard and zip, within stated bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from core.errors import BarsError

HEAD_BYTES = 1 << 16
UNPACKED_BYTES = 4 << 30
WHOLE_BYTES = 512 << 20
"""Most bytes of what must be held in memory whole: JSON, and Parquet or a workbook inside an archive."""

_RATIO, _RATIO_FROM = 200, 64 << 20  # text of bars packs to a third or a tenth, never to a two-hundredth
_MEMBERS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".feather", ".xlsx", ".xlsm")
_TEXTS = (".txt", ".prn", ".dat", ".mt5", ".asc", "")
_PACKERS: dict[bytes, tuple[str, Callable[[Any], Any]]] = {
    b"\x1f\x8b": (".gz", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": (".bz2", bz2.BZ2File),
    b"\xfd7zXZ\x00": (".xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": (".zst", lambda file: pa.CompressedInputStream(file, "zstd")),
}
_OTHERS = {
    b"\xd0\xcf\x11\xe0": ("a workbook of the old kind (.xls)", "save it as .xlsx or CSV"),
    b"\x89HDF": ("an HDF5 file", "write the frame with to_parquet"),
    b"SQLite format 3": ("a SQLite database", "export the table as CSV"),
    b"Rar!": ("a RAR archive", "unpack it first"),
    b"7z\xbc\xaf": ("a 7z archive", "unpack it first"),
    b"%PDF": ("a PDF document", "export the bars as CSV"),
    b"\x80\x04\x95": (
        "a Python pickle, which may run code when it is read",
        "write the frame with to_parquet",
    ),
    b"\x80\x05\x95": (
        "a Python pickle, which may run code when it is read",
        "write the frame with to_parquet",
    ),
    b"\x93NUMPY": ("a NumPy array", "write the bars as CSV or Parquet"),
    b"FEA1": ("a Feather file of version 1", "write the frame with to_parquet"),
    b"ORC": ("an ORC file", "write it as Parquet"),
    b"Obj\x01": ("an Avro file", "write it as Parquet"),
    b"DBN": ("a DBN file", "convert it to CSV or Parquet"),
    b"\x89PNG": ("a picture", "export the bars as CSV"),
}


@dataclass(frozen=True)
class Source:
    """Bytes of one file, read from their start any number of times.

    Attributes
    ----------
    name
        File name without the suffix of its packing.
    size
        Bytes as stored: of the packed file where it is packed.
    packed
        The bytes come out of a packing: seeking in them is slow, and their number is not known before.
    open
        Context of a readable file and of a function that says how many of `size` bytes are read.
    """

    name: str
    size: int
    packed: bool
    open: Callable[[], Any]

    def head(self, size: int = HEAD_BYTES) -> bytes:
        """The first bytes."""
        with self.open() as (file, _):
            return _read(file, size)

    def whole(self) -> bytes:
        """All bytes; refused beyond `WHOLE_BYTES`."""
        with self.open() as (file, _):
            data = _read(file, WHOLE_BYTES + 1)
        if len(data) > WHOLE_BYTES:
            raise BarsError(
                f"a file of this kind of at most {WHOLE_BYTES >> 20} MB",
                f"{self.name}, which is larger",
                "export it as CSV or split it",
            )
        return data


def open_sources(source: str | Path | BinaryIO, name: str) -> list[Source]:
    """The files in `source`: itself, what it packs, or each file of a zip.

    Raises
    ------
    BarsError
        If the file is missing, empty, of a kind that holds no table, locked, or unpacks to more than
        `UNPACKED_BYTES`.
    """

    @contextmanager
    def opened() -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
        with _opened(source, name) as file:
            yield file, file.tell

    with opened() as (file, _):
        size = file.seek(0, io.SEEK_END)
    return _unpacked(Source(name, size, False, opened), deepest=3)


def _unpacked(source: Source, deepest: int) -> list[Source]:
    head = source.head()
    if not head.strip():
        raise BarsError("a file with bars", f"{source.name}, which is empty", "give another file")
    for magic, (what, fix) in _OTHERS.items():
        if head.startswith(magic):
            raise BarsError("a table of bars", f"{source.name}, which is {what}", fix)
    if head[257:262] == b"ustar":
        raise BarsError("a table of bars", f"{source.name}, which is a tar archive", "unpack it first")
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html", b"<?xml")):
        fix = "download it again or save it as CSV"
        raise BarsError("a table of bars", f"{source.name}, which is a web page or XML", fix)
    packing = next((kind for magic, kind in _PACKERS.items() if head.startswith(magic)), None)
    zipped = head.startswith(b"PK\x03\x04")
    if deepest == 0 and (packing or zipped):
        raise BarsError("a table of bars", f"{source.name}, packed many times over", "unpack it first")
    if packing is not None:
        return _unpacked(_stream(source, *packing), deepest - 1)
    if source.packed and (zipped or head.startswith((b"PAR1", b"ARROW1"))):
        source = _in_memory(source)
    if zipped:
        return _zip_members(source, deepest)
    return [source]


def _stream(source: Source, suffix: str, unpack: Callable[[Any], Any]) -> Source:
    @contextmanager
    def opened() -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
        with source.open() as (file, done), _unpacking(source.name):
            # Arrow closes what it is given.
            yield cast(BinaryIO, Bounded(unpack(_Kept(file)), source, done)), done

    stem = source.name[: -len(suffix)] if source.name.lower().endswith(suffix) else source.name
    return Source(stem, source.size, True, opened)


def _zip_members(source: Source, deepest: int) -> list[Source]:
    with source.open() as (file, _), _unpacking(source.name):
        entries = [entry for entry in zipfile.ZipFile(file).infolist() if not entry.is_dir()]
    names = {entry.filename for entry in entries}
    if "[Content_Types].xml" in names and any(name.startswith("xl/") for name in names):
        size = sum(entry.file_size for entry in entries)
        _refuse_large(source, size, WHOLE_BYTES)
        _refuse_absurd(source, size, sum(entry.compress_size for entry in entries))
        return [source]
    if names & {"mimetype", "[Content_Types].xml", "Index/Document.iwa"}:
        raise BarsError("a table of bars", f"{source.name}, which is a document", "save it as .xlsx or CSV")
    shown = [entry for entry in entries if not Path(entry.filename).name.startswith((".", "__"))]
    shown = [entry for entry in shown if not entry.filename.startswith("__MACOSX/")]
    packed = tuple(suffix for suffix, _ in _PACKERS.values())
    tables = [entry for entry in shown if Path(entry.filename).suffix.lower() in (*_MEMBERS, *packed)]
    tables = tables or [entry for entry in shown if Path(entry.filename).suffix.lower() in _TEXTS]
    if not tables:
        said = ", ".join(sorted(names)[:3]) or "nothing"
        raise BarsError("a zip with tables of bars", f"{source.name} with {said}", "give another file")
    found = []
    for entry in sorted(tables, key=lambda entry: entry.filename):
        if entry.flag_bits & 1:
            raise BarsError("a zip without a password", source.name, "unpack it first")
        _refuse_large(source, entry.file_size, UNPACKED_BYTES)
        _refuse_absurd(source, entry.file_size, entry.compress_size)
        found += _unpacked(_member(source, entry), deepest - 1)
    return found


def _member(source: Source, entry: zipfile.ZipInfo) -> Source:
    @contextmanager
    def opened() -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
        with (
            source.open() as (file, _),
            _unpacking(source.name),
            zipfile.ZipFile(file) as archive,
            archive.open(entry) as member,
        ):
            yield cast(BinaryIO, member), member.tell

    return Source(Path(entry.filename).name, entry.file_size, True, opened)


def _in_memory(source: Source) -> Source:
    data = source.whole()

    @contextmanager
    def opened() -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
        file = io.BytesIO(data)
        yield file, file.tell

    return Source(source.name, len(data), False, opened)


class _Kept(io.RawIOBase):
    """A view of a file that may be closed without closing the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class Bounded(_Kept):
    """Unpacked bytes, counted: too many, or absurdly many for what is packed, are refused."""

    def __init__(self, file: BinaryIO, source: Source, packed_read: Callable[[], int]) -> None:
        super().__init__(file)
        self._source, self._packed_read, self._count = source, packed_read, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, 1 << 20) if size > 0 else 1 << 20)
        self._count += len(data)
        _refuse_absurd(self._source, self._count, self._packed_read())
        _refuse_large(self._source, self._count, UNPACKED_BYTES)
        return data


def _refuse_large(source: Source, size: int, most: int) -> None:
    if size > most:
        raise BarsError(
            f"a file that unpacks to at most {most / (1 << 30):g} GB",
            f"{source.name}, which unpacks to more",
            "split it",
        )


def _refuse_absurd(source: Source, size: int, packed: int) -> None:
    if size > _RATIO_FROM and size > _RATIO * max(packed, 1):
        what = f"{source.name}, which unpacks to more than {_RATIO} times its size"
        raise BarsError("a packed file of bars", what, "unpack it and look at it")


def _read(file: BinaryIO, size: int) -> bytes:
    pieces, left = [], size
    while left > 0 and (piece := file.read(left)):
        pieces.append(bytes(piece))
        left -= len(piece)
    return b"".join(pieces)


@contextmanager
def _unpacking(name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error, OSError, NotImplementedError) as error:
        reason = (str(error).splitlines() or ["cut"])[0].rstrip(".")
        raise BarsError("a whole packed file", f"{name} ({reason})", "download it again") from None


@contextmanager
def _opened(source: str | Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if not isinstance(source, str | Path):
        source.seek(0)
        yield source
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 (closed below; only opening may fail in this way)
    except OSError as error:
        raise BarsError("a readable file", f"{name} ({error.strerror})", "check the path") from None
    with file:
        yield cast(BinaryIO, file)
