"""Parquet and Feather: columns of their own types, of which only those that can be used are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from core.data.ingest.containers.packed import Source
from core.data.ingest.containers.table import LONGEST_CELL, SAMPLE_ROWS, Batch, Table
from core.errors import BarsError

_BATCH_ROWS = 65_536
_MOST_ROWS = 1 << 28
_TEXT_BYTES = 1 << 20  # of a row group's texts, beside LONGEST_CELL for each of its rows

pc: Any = pyarrow.compute  # its functions are made at import, unseen by type checkers

Pieces = Callable[[list[str], int], Iterator[pa.RecordBatch]]


def read_arrow(source: Source, head: bytes) -> Table:
    """Open a Parquet or Feather file; an index that pandas stored is a column like any other.

    Raises
    ------
    BarsError
        If the file is not whole, has no rows, or more than 268 million.
    """
    schema, rows, texts, pieces = (_parquet if head.startswith(b"PAR1") else _feather)(source)
    if rows == 0:
        raise BarsError("a file with bars", f"{source.name}, which has no rows", "give another file")
    if rows > _MOST_ROWS:
        what = f"{source.name} with {rows:,} rows"
        raise BarsError(f"a file of at most {_MOST_ROWS:,} rows", what, "split it")
    left_out = _unusable(schema, texts)
    gone = {name for name, _ in left_out}
    columns = [name for name in schema.names if name not in gone]
    if not columns:
        raise BarsError("columns of numbers and times", f"{source.name} without any", "give another file")

    def read(wanted: Collection[str] | None, most: int = _BATCH_ROWS) -> Iterator[Batch]:
        kept = columns if wanted is None else [name for name in columns if name in set(wanted)]
        done = 0
        for piece in pieces(kept, most):
            frame = _frame(piece, kept, source.name)
            lines = pd.RangeIndex(done + 1, done + len(frame) + 1)
            done += len(frame)
            yield Batch(frame, lines, (), done)

    sample, long = _sample(pieces, columns)
    left_out += tuple((name, f"texts of more than {LONGEST_CELL:,} characters") for name in long)
    columns = [name for name in columns if name not in long]
    return Table(source.name, tuple(columns), sample, rows, True, None, read, (), left_out)


def _parquet(source: Source) -> tuple[pa.Schema, int, dict[str, bool], Pieces]:
    def pieces(columns: list[str], most: int) -> Iterator[pa.RecordBatch]:
        with source.open() as (file, _):
            try:
                # Texts stay in their dictionary until their lengths are known.
                schema = pq.read_schema(file)
                texts = [name for name in columns if _is_text(schema.field(name).type)]
                file.seek(0)
                parquet = pq.ParquetFile(file, read_dictionary=texts)
                yield from parquet.iter_batches(batch_size=most, columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise _refusal(source, "Parquet", error) from None

    with source.open() as (file, _):
        try:
            parquet = pq.ParquetFile(file)
            schema, meta = parquet.schema_arrow, parquet.metadata
            bounded: dict[str, bool] = {}
            for group in (meta.row_group(place) for place in range(meta.num_row_groups)):
                for chunk in (group.column(place) for place in range(group.num_columns)):
                    within = chunk.total_uncompressed_size <= _TEXT_BYTES + LONGEST_CELL * group.num_rows
                    bounded[chunk.path_in_schema] = bounded.get(chunk.path_in_schema, True) and within
        except (pa.ArrowException, OSError) as error:
            raise _refusal(source, "Parquet", error) from None
    return schema, meta.num_rows, bounded, pieces


def _feather(source: Source) -> tuple[pa.Schema, int, dict[str, bool], Pieces]:
    def pieces(columns: list[str], most: int) -> Iterator[pa.RecordBatch]:
        with source.open() as (file, _):
            try:
                reader = pa.ipc.open_file(file)
                for place in range(reader.num_record_batches):
                    batch = reader.get_batch(place).select(columns)
                    for start in range(0, batch.num_rows, most):
                        yield batch.slice(start, most)
            except (pa.ArrowException, OSError) as error:
                raise _refusal(source, "Feather", error) from None

    with source.open() as (file, _):
        try:
            reader = pa.ipc.open_file(file)
            rows = sum(reader.get_batch(place).num_rows for place in range(reader.num_record_batches))
        except (pa.ArrowException, OSError) as error:
            raise _refusal(source, "Feather", error) from None
    return reader.schema, rows, {}, pieces


def _refusal(source: Source, kind: str, error: Exception) -> BarsError:
    reason = str(error).splitlines()[0].rstrip(".")
    return BarsError(f"a whole {kind} file", f"{source.name} ({reason})", "export it again")


def _unusable(schema: pa.Schema, bounded: dict[str, bool]) -> tuple[tuple[str, str], ...]:
    often = Counter(schema.names)
    found = dict.fromkeys((name for name in schema.names if often[name] > 1), "a name that stands twice")
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        plain = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
        moment = pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)
        if field.name in found:
            continue
        if _is_text(kind):
            if not bounded.get(field.name, True):
                found[field.name] = "texts that are too long"
        elif not (plain or moment or pa.types.is_decimal(kind)):
            found[field.name] = "nothing" if pa.types.is_null(kind) else str(kind).split("<")[0].split("[")[0]
    return tuple(found.items())


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _sample(pieces: Pieces, columns: list[str]) -> tuple[pd.DataFrame, list[str]]:
    first = next(pieces(columns, SAMPLE_ROWS))
    long = [name for name in columns if _longest(first.column(name)) > LONGEST_CELL]
    kept = [name for name in columns if name not in long]
    return _frame(first, kept, ""), long


def _frame(piece: pa.RecordBatch, columns: list[str], name: str) -> pd.DataFrame:
    arrays = []
    for column in columns:
        array = piece.column(column)
        if _longest(array) > LONGEST_CELL:
            raise BarsError(
                f"texts of at most {LONGEST_CELL:,} characters",
                f"a longer one in column {column!r} of {name}",
                "leave that column out of the file",
            )
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if pa.types.is_decimal(array.type):
            array = array.cast(pa.float64())
        elif pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        elif pa.types.is_time(array.type):
            array = array.cast(pa.string())
        arrays.append(array)
    table = pa.Table.from_arrays(arrays, names=columns)
    return table.to_pandas(ignore_metadata=True, date_as_object=False)


def _longest(array: pa.Array) -> int:
    if not _is_text(array.type):
        return 0
    texts = array.dictionary if pa.types.is_dictionary(array.type) else array
    return pc.max(pc.binary_length(texts)).as_py() or 0
