"""The parts of a report, each HTML from what was gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape

from app.attribution.words import (
    BASELINE_TITLES,
    cause_sentence,
    completeness_sentence,
    faithfulness_sentence,
    legend_sentence,
    planted_sentence,
    removal_sentence,
)
from app.figures.attention import attention_bands_figure
from app.figures.attribution import attribution_figure
from app.figures.candles import candles_figure
from app.figures.faithfulness import faithfulness_figure
from app.figures.similar import multiple_svg, paths_figure
from app.figures.theme import class_sign, time_labels
from app.live.panels import task_panel
from app.report.html import chart, inline, listing, paragraph, rows, section, warning
from app.report.material import Material
from app.similar.words import HOW, INTERVAL, doubts, moment_title, right_sentence, went_sentence
from app.words.predictions import (
    bar_text,
    moment_text,
    routing_sentence,
    title_of,
    unknown_instrument,
    unlike_training,
    why_sentence,
)
from core import __version__
from core.explain.causes import strongest_cells
from core.explain.evidence.store import model_fingerprint
from core.explain.methods.registry import METHODS
from core.explain.references import BASELINES
from core.explain.similar.glimpse import AFTER, BEFORE


def name_of(material: Material) -> str:
    """'AAPL 1d, bar of 2013-02-01'."""
    window, ts = material.explanation.moment.window, material.explanation.moment.ts
    return f"{window.instrument} {window.timeframe}, bar of {bar_text(ts, window.timeframe, 'UTC')}"


def draw_head(material: Material) -> str:
    """What this is about, in one look: the moment, the model, the doubts, the way back."""
    prediction = material.explanation.moment.prediction
    parts = [
        f"<h1>{escape(name_of(material))}</h1>",
        paragraph(
            f"Closed {moment_text(prediction.known_at, 'UTC')} · model **{prediction.model_name}**, version "
            f"{prediction.model_version} · report made {moment_text(material.made, 'UTC')} by Lookback "
            f"{__version__}",
            small=True,
        ),
        _link(material.link),
    ]
    if prediction.out_of_distribution:
        parts.append(warning(unlike_training(prediction.distance)))
    if not prediction.known_instrument:
        parts.append(warning(unknown_instrument(prediction.instrument)))
    return "<header>" + "".join(parts) + "".join(map(warning, material.troubles)) + "</header>"


def _link(link: str) -> str:
    if link.startswith(("http://", "https://")):
        return (
            f'<p class="lb-small">The same in the workbench: <a href="{escape(link)}">{escape(link)}</a></p>'
        )
    return paragraph(f"The same in the workbench: put `{link}` behind its address.", small=True)


def draw_prediction(material: Material) -> str:
    """All tasks with their probabilities, the final confidence, its sources and its record."""
    prediction = material.explanation.moment.prediction
    panels = [task_panel(task, material.records.get(name)) for name, task in prediction.tasks.items()]
    return section("What the model says", f'<div class="lb-panels">{"".join(panels)}</div>')


def draw_candles(material: Material) -> str:
    """The window's candles with volume."""
    about = f"Candles and volume of the {len(material.prices)} bars the model saw"
    figure = candles_figure(material.prices, title=about, height=460)
    return section("What it saw", chart(figure, "candles", about))


def draw_causes(material: Material) -> str:
    """The strongest causes in words, and what is left without the strongest bars."""
    explanation = material.explanation
    attribution, check = explanation.attribution, explanation.check
    said = [cause_sentence(cause, _labels(material), attribution) for cause in check.causes]
    return section(
        f"Why {attribution.target}, in words",
        paragraph(
            f"The strongest causes of {title_of(attribution.task).lower()} **{attribution.target}** by "
            f"{METHODS[attribution.method].title}, strongest first:"
        ),
        listing(said, ordered=True),
        paragraph(removal_sentence(check.removal)),
    )


def draw_attribution(material: Material) -> str:
    """Time x feature map with both sums, and what method and baseline are."""
    explanation = material.explanation
    attribution = explanation.attribution
    method = METHODS[attribution.method]
    target = f"{class_sign(attribution.target)} {attribution.target}"
    figure = attribution_figure(
        material.prices,
        attribution,
        title=f"What spoke for {target} and what against",
        market=explanation.moment.market_values(),
        marks=[(cells.features, cells.first, cells.last) for cells in strongest_cells(attribution)],
    )
    return section(
        "Which bars and features",
        paragraph(legend_sentence(attribution.method, attribution.target, dark=False)),
        chart(figure, "attribution", f"Attribution to bars and features for {attribution.target}"),
        paragraph(f"**{method.title}.** {method.explanation} *{method.paper}.*"),
        paragraph(
            f"**Compared with {BASELINE_TITLES[attribution.baseline]}.** {BASELINES[attribution.baseline]}"
        ),
    )


def draw_trust(material: Material) -> str:
    """Does it add up, does it beat chance, does the method find known causes."""
    attribution, check = material.explanation.attribution, material.explanation.check
    questions = (
        ("Does it add up?", completeness_sentence(attribution)),
        ("Does it beat a random order?", faithfulness_sentence(check.faithfulness, attribution.target)),
        (
            "Does the method find planted causes?",
            planted_sentence(material.planted, attribution.method, attribution.baseline),
        ),
    )
    title = "Does it matter to the model what the map says matters?"
    figure = faithfulness_figure(check.faithfulness, target=attribution.target, title=title)
    return section(
        "How far to trust this explanation",
        listing([f"**{question} {verdict}.** {said}" for question, (verdict, said) in questions]),
        chart(figure, "faithfulness", title),
        paragraph(
            "P is the model's own probability, before the calibration that the panels above include. "
            "Deletion and insertion after Petsiuk, Das and Saenko 2018; planted markets after Ismail et al. "
            "2020.",
            small=True,
        ),
    )


def draw_attention(material: Material) -> str:
    """What the last bar attends in each layer, with what that is worth."""
    moment = material.explanation.moment
    figure = attention_bands_figure(
        material.prices, material.attention, moment.bundle.config.model.windows,
        title="What the last bar attends, layer by layer, mean over heads",
    )  # fmt: skip
    return section(
        "Where the model looks",
        paragraph(why_sentence(material.attention.mean(0), moment.prediction.distance)),
        chart(figure, "attention", "Attention of the last bar by layer"),
        paragraph(routing_sentence(material.routing, material.explanation.question.task)),
    )


def draw_similar(material: Material) -> str:
    """Nearest earlier moments, what came of them, and chance."""
    title, similar = "Similar moments", material.similar
    if similar is None:
        return section(
            title,
            paragraph(
                "No index of the moments this model has looked at: build it with "
                "`python -m core evidence --parts moments`."
            ),
        )
    if not similar.moments:
        return section(title, paragraph("No earlier moment had an outcome that was known at this close."))
    question = material.explanation.question
    classes = material.explanation.moment.task(question.task).classes
    titles = [moment_title(one.moment) for one in similar.moments]
    figure = paths_figure(
        [one.glimpse.after for one in similar.moments],
        [classes[one.moment.outcome] for one in similar.moments], titles, dark=False,
    )  # fmt: skip
    cards = "".join(
        f'<div class="lb-card"><b>{place}. {escape(name)}</b><br>similarity {one.moment.similarity:.3f}'
        f'<div role="img" aria-label="Candles around {escape(name)}">{multiple_svg(one.glimpse)}</div>'
        f'<div class="lb-small">{"<br>".join(map(inline, one.outcomes))}</div></div>'
        for place, (name, one) in enumerate(zip(titles, similar.moments, strict=True), 1)
    )
    return section(
        title,
        paragraph(went_sentence(similar.found, classes.index(question.target), classes)),
        paragraph(right_sentence(similar.found)),
        "".join(paragraph(said, small=True) for said in doubts(similar.found, similar.trained)),
        chart(figure, "similar", "Close after each similar moment"),
        f'<div class="lb-moments">{cards}</div>',
        paragraph(
            f"{HOW} Each picture shows {BEFORE} bars before the moment and, in grey, up to {AFTER} after it, "
            f"percent of its close. {INTERVAL}",
            small=True,
        ),
    )


def draw_origin(material: Material) -> str:
    """Everything that made this report, so that it can be made again."""
    explanation = material.explanation
    moment, attribution = explanation.moment, explanation.attribution
    bundle, prediction = moment.bundle, moment.prediction
    settings = asdict(explanation.question.settings)
    facts = [
        ("Instrument, timeframe", f"{prediction.instrument}, {prediction.timeframe}"),
        ("Bar opened", moment_text(moment.ts, "UTC")),
        ("Known at", moment_text(prediction.known_at, "UTC")),
        ("Model, version", f"{bundle.name}, {bundle.version}"),
        ("Model fingerprint", f"{model_fingerprint(bundle)} (weights, scaling, vocabularies)"),
        ("Trained on bars up to", moment_text(bundle.borders.train_end, "UTC")),
        ("Training data", bundle.data_fingerprint),
        ("Model input (SHA-256)", prediction.data_fingerprint),
        ("Task, class", f"{attribution.task}, {attribution.target}"),
        ("Method, baseline", f"{attribution.method}, {attribution.baseline}"),
        ("Steps, seconds", f"{attribution.steps}, {attribution.seconds:.2f} (when it was computed)"),
        ("Settings", ", ".join(f"{name} {value}" for name, value in settings.items() if name != "seed")),
        ("Seed", str(settings["seed"])),
        ("Measured on planted markets", "no" if material.planted is None else "yes"),
        ("Measured against removal", "no" if material.routing is None else "yes"),
        ("Made", moment_text(material.made, "UTC")),
        ("Code", f"Lookback {__version__}; the model was trained by {bundle.code_version}"),
        ("Again", _command(material)),
    ]
    return section("What made this report", rows(facts))


def _command(material: Material) -> str:
    question, window = material.explanation.question, material.explanation.moment.window
    return (
        f"python -m core explain --instrument {window.instrument} --timeframe {window.timeframe} "
        f"--at {material.explanation.moment.ts:%Y-%m-%dT%H:%M} --task {question.task} "
        f"--class {question.target} --method {question.method} --baseline {question.baseline} "
        f"--model {material.explanation.moment.bundle.name} --html report.html"
    )


def _labels(material: Material) -> Sequence[str]:
    window = material.explanation.moment.window
    return time_labels(window.ts, window.timeframe)
