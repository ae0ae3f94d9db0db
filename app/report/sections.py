"""The parts of a report, each HTML from what was gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from app.attribution.words import (
    REFERENCE_TITLES,
    cause_sentence,
    completeness_sentence,
    faithfulness_sentence,
    legend_sentence,
    planted_sentence,
    reference_sentence,
    removal_sentence,
    sums_sentence,
)
from app.figures.attention import attention_bands_figure
from app.figures.attribution import attribution_figure
from app.figures.candles import candles_figure
from app.figures.faithfulness import faithfulness_figure
from app.figures.similar import multiple_svg, paths_figure
from app.figures.theme import class_sign, time_labels
from app.live.panels import task_panel
from app.report import review
from app.report.html import chart, fill
from app.report.material import Material
from app.similar.words import HOW, INTERVAL, doubts, moment_title, right_sentence, went_sentence
from app.words.members import member_sentence, member_title
from app.words.predictions import (
    bar_text,
    in_sample_sentence,
    moment_text,
    reservations,
    routing_sentence,
    silent_sentence,
    title_of,
    unseen_sentence,
    why_sentence,
)
from core import __version__
from core.explain.causes import strongest_cells
from core.explain.evidence.store import model_fingerprint
from core.explain.methods.registry import METHODS
from core.explain.references import REFERENCES
from core.explain.similar.glimpse import AFTER, BEFORE


def name_of(material: Material) -> str:
    """'AAPL 1d, bar of 2013-02-01'."""
    window, ts = material.explanation.moment.window, material.explanation.moment.ts
    return f"{window.instrument} {window.timeframe}, bar of {bar_text(ts, window.timeframe, 'UTC')}"


def draw_head(material: Material) -> str:
    """What this is about, in one look: the moment, the model, the doubts, the way back."""
    prediction = material.explanation.moment.prediction
    warnings = [said for said in [in_sample_sentence(prediction), *reservations(prediction)] if said]
    warnings += [said for said in [unseen_sentence(prediction)] if said]
    return fill(
        "head",
        name=name_of(material),
        made=f"Closed {moment_text(prediction.known_at, 'UTC')} · model **{prediction.model_name}**, version "
        f"{prediction.model_version} · report made {moment_text(material.made, 'UTC')} by Lookback "
        f"{__version__}",
        link=material.link,
        warnings=[*warnings, *material.troubles],
    )


def draw_prediction(material: Material) -> str:
    """All tasks with their probabilities, the final confidence, its sources and its record."""
    prediction = material.explanation.moment.prediction
    shown = f"{prediction.instrument} {prediction.timeframe}"
    panels = [task_panel(task, material.records.get(name), shown) for name, task in prediction.tasks.items()]
    return fill("prediction", panels=panels)


def draw_review(material: Material) -> str:
    """What the confidence was worth before, and how good the model was beside what it must beat."""
    return review.draw_review(material.review, material.explanation.question.task)


def draw_candles(material: Material) -> str:
    """The window's candles with volume."""
    about = f"Candles and volume of the {len(material.prices)} bars the model saw"
    figure = candles_figure(material.prices, title=about, height=460)
    return fill("candles", figure=chart(figure, "candles", about))


def draw_causes(material: Material) -> str:
    """The strongest causes in words, and what is left without the strongest bars."""
    explanation = material.explanation
    attribution, check = explanation.attribution, explanation.check
    return fill(
        "causes",
        target=attribution.target,
        opening=f"{_whose(material)}The strongest causes of {title_of(attribution.task).lower()} "
        f"**{attribution.target}** by {METHODS[attribution.method].title}, those towards it first:",
        causes=[cause_sentence(cause, _labels(material), attribution) for cause in check.causes],
        removal=removal_sentence(check.removal),
    )


def draw_attribution(material: Material) -> str:
    """Time x feature map with both sums, and what method and reference are."""
    explanation = material.explanation
    attribution, asked = explanation.attribution, explanation.question.reference
    method = METHODS[attribution.method]
    target = f"{class_sign(attribution.target)} {attribution.target}"
    figure = attribution_figure(
        material.prices,
        attribution,
        title=f"What spoke for {target} and what against",
        market=explanation.moment.market_values(),
        marks=[(cells.features, cells.first, cells.last) for cells in strongest_cells(attribution)],
    )
    return fill(
        "attribution",
        legend=legend_sentence(attribution.method, attribution.target, dark=False),
        figure=chart(figure, "attribution", f"Attribution to bars and features for {attribution.target}"),
        said=f"{reference_sentence(attribution, explanation.moment.window.instrument, asked)} "
        f"{sums_sentence(attribution)}",
        method=f"**{method.title}.** {method.explanation} *{method.paper}.*",
        reference=f"**Compared with {REFERENCE_TITLES[attribution.reference]}.** "
        f"{REFERENCES[attribution.reference]}",
    )


def draw_trust(material: Material) -> str:
    """Does it add up, does it beat chance, does the method find known causes."""
    attribution, check = material.explanation.attribution, material.explanation.check
    questions = (
        ("Does it add up?", completeness_sentence(attribution)),
        ("Does it beat a random order?", faithfulness_sentence(check.faithfulness, attribution.target)),
        (
            "Does the method find planted causes?",
            planted_sentence(material.planted, attribution.method, attribution.reference),
        ),
    )
    title = "Does it matter to the model what the map says matters?"
    figure = faithfulness_figure(
        check.faithfulness,
        target=attribution.target,
        title=title,
        reference=attribution.reference_probability,
    )
    return fill(
        "trust",
        answers=[f"**{question} {verdict}.** {said}" for question, (verdict, said) in questions],
        figure=chart(figure, "faithfulness", title),
    )


def draw_attention(material: Material) -> str:
    """What the last bar attends in each layer, with what that is worth."""
    moment = material.explanation.moment
    figure = attention_bands_figure(
        material.prices, material.attention, moment.bundle.config.model.windows,
        title=f"What the last bar attends, layer by layer, mean over {_whose_heads(material)}",
    )  # fmt: skip
    return fill(
        "attention",
        why=why_sentence(material.attention.mean(0), moment.prediction.distance),
        figure=chart(figure, "attention", "Attention of the last bar by layer"),
        routing=routing_sentence(material.routing, material.explanation.question.task),
        silent=silent_sentence(moment.prediction),
    )


def draw_similar(material: Material) -> str:
    """Nearest earlier moments, what came of them, and chance."""
    similar = material.similar
    if similar is None:
        return fill(
            "nothing_similar",
            reason="No index of the moments this model has looked at: build it with "
            "`python -m core evidence --parts moments`.",
        )
    if not similar.moments:
        return fill(
            "nothing_similar", reason="No earlier moment had an outcome that was known at this close."
        )
    question = material.explanation.question
    classes = material.explanation.moment.task(question.task).classes
    titles = [moment_title(one.moment) for one in similar.moments]
    figure = paths_figure(
        [one.glimpse.after for one in similar.moments],
        [classes[one.moment.outcome] for one in similar.moments], titles, dark=False,
    )  # fmt: skip
    return fill(
        "similar",
        went=went_sentence(similar.found, classes.index(question.target), classes),
        right=right_sentence(similar.found),
        doubts=doubts(similar.found, similar.trained),
        figure=chart(figure, "similar", "Close after each similar moment"),
        cards=[
            (name, one, multiple_svg(one.glimpse)) for name, one in zip(titles, similar.moments, strict=True)
        ],
        how=f"{HOW} Each picture shows {BEFORE} bars before the moment and, in grey, up to {AFTER} after it, "
        f"percent of its close. {INTERVAL}",
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
        ("Method, reference", f"{attribution.method}, {attribution.reference}"),
        ("Steps, seconds", f"{attribution.steps}, {attribution.seconds:.2f} (when it was computed)"),
        ("Settings", ", ".join(f"{name} {value}" for name, value in settings.items() if name != "seed")),
        ("Seed", str(settings["seed"])),
        ("Measured on planted markets", "no" if material.planted is None else "yes"),
        ("Measured against removal", "no" if material.routing is None else "yes"),
        ("Made", moment_text(material.made, "UTC")),
        ("Code", f"Lookback {__version__}; the model was trained by {bundle.code_version}"),
        ("Again", _command(material)),
    ]
    return fill("origin", facts=facts)


def _command(material: Material) -> str:
    question, window = material.explanation.question, material.explanation.moment.window
    return (
        f"python -m core explain --instrument {window.instrument} --timeframe {window.timeframe} "
        f"--at {material.explanation.moment.ts:%Y-%m-%dT%H:%M} --task {question.task} "
        f"--class {question.target} --method {question.method} --reference {question.reference} "
        f"--model {material.explanation.moment.bundle.name} --html report.html"
    )


def _whose(material: Material) -> str:
    question, moment = material.explanation.question, material.explanation.moment
    together = moment.prediction.tasks[question.task].probability(question.target)
    own = material.explanation.attribution.probability
    said = member_sentence(question.member, question.target, own, together)
    return f"{said} " if said else ""


def _whose_heads(material: Material) -> str:
    member = material.explanation.question.member
    return "heads" if member is None else f"the heads of {member_title(member)}"


def _labels(material: Material) -> Sequence[str]:
    window = material.explanation.moment.window
    return time_labels(window.ts, window.timeframe)
