"""The sheet a report is printed on: one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from app.figures.theme import chart_config, ink
from app.live.panels import STYLE

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a browser may do with the file: run what stands in it, and fetch nothing."""

INK = ink(dark=False)


def wrap_page(title: str, body: str) -> str:
    """A whole page around a report's body, with the drawing library inside."""
    return _TEMPLATES.get_template("page.html").render(
        title=title, body=body, policy=POLICY, panel_style=STYLE, plotly=get_plotlyjs()
    )


def fill(part: str, **values: Any) -> str:
    """One part of the report as HTML.

    Parameters
    ----------
    part
        Name of a macro of ``parts.html``, which says what it needs.
    values
        Escaped there; sentences are Markdown.
    """
    return getattr(_TEMPLATES.get_template("parts.html").module, part)(**values)


def chart(figure: go.Figure, name: str, about: str) -> str:
    """A figure that draws itself once the page is open.

    Parameters
    ----------
    name
        Unique in the report; names the downloaded picture.
    about
        What is seen, for those who do not see it.
    """
    sheet = go.Figure(figure)
    # In the workbench Streamlit's template sees to this.
    sheet.update_layout(template="plotly_white", font={"color": INK, "size": 12})
    sheet.update_xaxes(automargin=True)
    sheet.update_yaxes(automargin=True)
    drawn = to_html(
        sheet,
        config=chart_config(name) | {"responsive": True, "displayModeBar": "hover"},
        full_html=False,
        include_plotlyjs=False,
        include_mathjax=False,
        div_id=f"figure-{name}",
        default_width="100%",
        default_height=f"{figure.layout.height}px",
    )
    return fill("figure", about=about, drawn=drawn)


def inline(markdown: str) -> str:
    """Bold, emphasis, code and escaped signs of one line of Markdown as HTML; icons are left out."""
    return _MARKDOWN.renderInline(re.sub(r":material/\w+: ?", "", markdown))


def _tag(text: str) -> Callable[..., str]:
    return lambda *_: text


def _read_markdown() -> MarkdownIt:
    # Raw HTML, links and pictures are not among the rules: names from the data stay text.
    reader = MarkdownIt("zero").enable(["escape", "backticks", "emphasis"])
    # Escaped signs stay apart, so that they are written as references.
    reader.disable("text_join")
    for kind, tag in (("strong", "b"), ("em", "i")):
        reader.add_render_rule(f"{kind}_open", _tag(f"<{tag}>"))
        reader.add_render_rule(f"{kind}_close", _tag(f"</{tag}>"))
    reader.add_render_rule("text", lambda _, tokens, at, *rest: escape(tokens[at].content, quote=False))
    reader.add_render_rule("text_special", lambda _, tokens, at, *rest: f"&#{ord(tokens[at].content)};")
    return reader


_MARKDOWN = _read_markdown()
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["markdown"] = inline
