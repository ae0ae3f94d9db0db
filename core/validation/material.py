"""What a validation looks at: a model, its walk-forward, the bars and what else is stored about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.bundle import Bundle, find_model, load_bundle
from core.data.dataset import LabelledSeries
from core.data.store import BarStore
from core.disk import digest_file, digest_json
from core.errors import InputError
from core.experiments.walk_forward.find import find_walk_forward
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import load_walk_forward
from core.explain.evidence.sample import WindowSample, draw_sample, known_series
from core.explain.evidence.store import PARTS, find_evidence
from core.predictor import Predictor
from core.trading.backtest import backtest_model
from core.trading.results import BacktestResult
from core.trading.rules import load_rules


@dataclass(frozen=True)
class Material:
    """Everything stored that a pack is computed from.

    Attributes
    ----------
    predictor
        The model over the bars of the home folder.
    folder
        Of its bundle.
    result, walked
        The walk-forward whose folds speak of the model, and its folder; None where there is none.
    windows
        Windows of the test segment behind what is asked of the model itself.
    """

    predictor: Predictor
    folder: Path
    result: WalkForwardResult | None
    walked: Path | None
    windows: int = 40

    @property
    def bundle(self) -> Bundle:
        """The model under validation."""
        return self.predictor.bundle

    @property
    def store(self) -> BarStore:
        """Where bars come from."""
        return self.predictor.store

    @cached_property
    def series(self) -> list[LabelledSeries]:
        """Stored series of the model's own instruments and timeframes."""
        return known_series(self.predictor)

    @cached_property
    def sample(self) -> WindowSample | None:
        """Windows of the test segment, evenly spread; None where the store holds none."""
        try:
            return draw_sample(self.predictor, self.windows)
        except InputError:
            return None

    @cached_property
    def backtest(self) -> BacktestResult | str:
        """The model's calls traded by the rules that ship; why not, in a sentence, where they cannot be."""
        try:
            return backtest_model(self.store, self.bundle, self.folder, load_rules())
        except InputError as error:
            return str(error)

    @property
    def walk(self) -> str:
        """The command that makes the walk-forward."""
        return f"python -m core walk-forward --name {self.bundle.name}"

    @property
    def measure(self) -> str:
        """The command that measures the explanations."""
        return f"python -m core evidence --model {self.bundle.name}"

    @property
    def again(self) -> str:
        """The command that computes the pack again."""
        return f"python -m core validate --model {self.bundle.name} --out FOLDER"

    def hash_inputs(self) -> dict[str, str]:
        """SHA-256 of every input by name: files of model, walk-forward and evidence, bars of each series.

        Notes are none of them: whoever adds one changes no number.
        """
        files: dict[str, Path] = {f"model/{path.name}": path for path in _list_files(self.folder)}
        if self.walked is not None:
            files |= {f"walk-forward/{path.name}": path for path in _list_files(self.walked)}
        for part in PARTS:
            path = find_evidence(self.store.home, self.bundle, part)
            if path is not None:
                files[f"evidence/{path.name}"] = path
        hashes = {name: digest_file(path) for name, path in sorted(files.items())}
        for entry in self.store.series():
            name = f"bars/{entry.instrument} {entry.timeframe}"
            hashes[name] = self.store.fingerprint(entry.instrument, entry.timeframe)
        findings = self.store.findings()
        hashes["bars/quality findings"] = digest_json(sorted(map(str, findings.astype(str).values.tolist())))
        return hashes


def gather_material(
    store: BarStore, model: str | None = None, walk_forward: Path | None = None, windows: int = 40
) -> Material:
    """Load a model and the walk-forward that speaks of it.

    Parameters
    ----------
    model
        Name; None is the default model.
    walk_forward
        Folder; None is the one found by `find_walk_forward`.
    windows
        See `Material`.

    Raises
    ------
    InputError
        If there is no such model, a file is damaged, or `windows` is below 1.
    """
    if windows < 1:
        raise InputError("a sample of at least one window", str(windows), "ask for more")
    folder = find_model(store.home, model)
    bundle = load_bundle(folder)
    walked = walk_forward or find_walk_forward(store.home, folder, bundle.name)
    result = None if walked is None else load_walk_forward(walked)
    return Material(Predictor(bundle, store), folder, result, walked, windows)


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
