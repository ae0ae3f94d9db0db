"""How far an index of moments still speaks of the bars that are stored now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd

from core.data.store import BarStore
from core.explain.similar.search import IndexedSeries, MomentIndex
from core.predictor import Predictor


@dataclass(frozen=True)
class SeriesReach:
    """How one stored series stands to the index.

    Attributes
    ----------
    state
        "current"; "longer": bars were added since; "changed": bars in the index are no longer those stored,
        so that its moments must not be used; "new": not in the index.
    reaches
        Open of the last bar the index knew; NaT for a new one.
    """

    name: str
    state: Literal["current", "longer", "changed", "new"]
    reaches: np.datetime64

    @property
    def searchable(self) -> bool:
        """Whether its moments in the index may be used."""
        return self.state in ("current", "longer")


def check_reach(index: MomentIndex, predictor: Predictor) -> tuple[SeriesReach, ...]:
    """Every stored series the model knows and that holds a window, beside what the index has of it."""
    indexed = {source.name: source for source in index.sources}
    reach = []
    for now in list_sources(predictor):
        if now.bars < predictor.length:
            continue
        source = indexed.get(now.name)
        if source is None or source.bars < predictor.length:
            reach.append(SeriesReach(now.name, "new", np.datetime64("NaT")))
        elif source == now:
            reach.append(SeriesReach(now.name, "current", source.last))
        else:
            same = _fingerprint(predictor.store, source) == source.fingerprint
            reach.append(SeriesReach(now.name, "longer" if same else "changed", source.last))
    return tuple(reach)


def list_sources(predictor: Predictor) -> list[IndexedSeries]:
    """Every stored series of the model's instruments and timeframes, also those too short for a window.

    Short ones lend their returns to the cross-asset features of the others.
    """
    bundle, store = predictor.bundle, predictor.store
    return [
        IndexedSeries(
            name=f"{entry.instrument}|{entry.timeframe}",
            bars=entry.bars,
            last=entry.last.tz_localize(None).to_datetime64().astype("datetime64[us]"),
            fingerprint=store.fingerprint(entry.instrument, entry.timeframe),
        )
        for entry in store.series()
        if entry.instrument in bundle.instruments and entry.timeframe in bundle.timeframes
    ]


def valid_until(
    previous: MomentIndex, sources: Sequence[IndexedSeries], store: BarStore
) -> dict[str, np.datetime64]:
    """By timeframe: until when its moments would come out the same again; timeframes without any left out.

    Every series lends its returns to the others, so that one changed or added series changes all.
    """
    old = {source.name: source for source in previous.sources}
    valid = {}
    for timeframe in {source.name.rsplit("|", 1)[1] for source in sources}:
        now = [source for source in sources if source.name.endswith(f"|{timeframe}")]
        before = [source for source in previous.sources if source.name.endswith(f"|{timeframe}")]
        if {source.name for source in now} != {source.name for source in before}:
            continue
        if any(_fingerprint(store, source) != source.fingerprint for source in before):
            continue
        grown = [old[source.name].last for source in now if source.bars > old[source.name].bars]
        valid[timeframe] = min(grown, default=np.datetime64("9999-12-31", "us"))
    return valid


def _fingerprint(store: BarStore, source: IndexedSeries) -> str:
    """Of what the store holds now of the bars the source knew."""
    instrument, timeframe = source.name.rsplit("|", 1)
    return store.fingerprint(instrument, timeframe, cast(pd.Timestamp, pd.Timestamp(source.last, tz="UTC")))
