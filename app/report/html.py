"""The sheet a report is printed on: one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from app.figures.theme import chart_config, ink
from app.live.panels import STYLE

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""What a browser may do with the file: run what stands in it, and fetch nothing."""

INK = ink(dark=False)

_STYLE = """<style>
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.4rem 1.2rem 3rem; max-width: 1180px; background: #fff; color: #1B2228;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; }
h2 { font-size: 1.12rem; margin: 2rem 0 .5rem; padding-top: .7rem; border-top: 1px solid #D5DADF; }
p, ul, ol { margin: .35rem 0; }
a { color: #00507E; }
.lb-small { font-size: .87rem; color: #46515B; }
.lb-panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 1rem; }
.lb-card, .lb-panels > .lb-panel { border: 1px solid #D5DADF; border-radius: .4rem; padding: .7rem .8rem; }
.lb-warn { border-left: .35rem solid #E69F00; background: #FBF3E0; padding: .4rem .7rem; margin: .5rem 0; }
.lb-card svg { width: 100%; height: auto; display: block; }
.lb-moments { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: .8rem; }
table { border-collapse: collapse; font-size: .87rem; width: 100%; }
th, td { text-align: left; padding: .22rem .6rem .22rem 0; border-bottom: 1px solid #E6E9EC;
  vertical-align: top; overflow-wrap: anywhere; }
th { width: 15rem; font-weight: 600; }
code { font-size: .92em; background: #F1F3F5; padding: 0 .25em; border-radius: .2em; }
.lb-figure { margin: .6rem 0; overflow: hidden; }
@media print {
  body { max-width: none; padding: 0; font-size: 12px; }
  section, .lb-card, .lb-figure, .lb-panel { break-inside: avoid; }
  .modebar { display: none !important; }
}
</style>"""


def wrap_page(title: str, body: str) -> str:
    """A whole page around a report's body, with the drawing library inside."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{STYLE}{_STYLE}"
        f"<script>{get_plotlyjs()}</script></head>\n<body>{body}</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A part of the report under its own heading."""
    return f"\n<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(markdown: str, *, small: bool = False) -> str:
    """A sentence of the pages, which write Markdown, as HTML."""
    return f"<p{' class=lb-small' if small else ''}>{inline(markdown)}</p>"


def listing(sentences: Sequence[str], *, ordered: bool = False) -> str:
    """Sentences in Markdown as a list."""
    kind = "ol" if ordered else "ul"
    return f"<{kind}>{''.join(f'<li>{inline(one)}</li>' for one in sentences)}</{kind}>"


def warning(markdown: str) -> str:
    """A sentence nobody should overlook."""
    return f'<div class="lb-warn">{inline(markdown)}</div>'


def rows(facts: Sequence[tuple[str, str]]) -> str:
    """Names and values as a table; both are plain text."""
    lines = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts
    )
    return f"<table>{lines}</table>"


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
    return f'<div class="lb-figure" role="img" aria-label="{escape(about)}">{drawn}</div>'


def inline(markdown: str) -> str:
    """Bold, emphasis, code and escaped signs of one line of Markdown as HTML; icons are left out."""
    text = re.sub(r":material/\w+: ?", "", markdown)
    # As references, which a browser shows as the signs and the rules below do not see.
    text = re.sub(r"\\([!-/:-@\[-`{-~])", lambda sign: f"\0{ord(sign[1])};", text)
    text = escape(text, quote=False).replace("\0", "&#")
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
    return re.sub(r"(?<![\w*])\*(?=\S)([^*\n]+)(?<=\S)\*(?![\w*])", r"<i>\1</i>", text)
