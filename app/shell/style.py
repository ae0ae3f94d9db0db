"""What the theme cannot say: contrast of captions and selected text, and colours that mean something."""

from __future__ import annotations

CAPTION_OPACITY = 0.8
"""Of captions. At the usual .6 they stand out by 4.3 to 1 from the page; 4.5 is the least (WCAG 1.4.3)."""

STYLE = f"""<style>
[data-testid="stCaptionContainer"] {{ color: inherit; opacity: {CAPTION_OPACITY}; }}
[data-testid="stCaptionContainer"] :is(p, li) {{ color: inherit; opacity: 1; }}
[data-testid="stButtonGroup"] [data-selected="true"], [data-testid="stButtonGroup"] [data-selected="true"] *,
[role="tab"][aria-selected="true"], [role="tab"][aria-selected="true"] p {{ color: inherit !important; }}
[data-testid="stButtonGroup"] [data-selected="true"] p,
[role="tab"][aria-selected="true"] p {{ font-weight: 650; }}
.st-key-bar_keys, .st-key-crosshair {{ position: absolute; }}
@media (forced-colors: active) {{
  .lb-track, .lb-fill, .lb-call {{ forced-color-adjust: none; }}
}}
</style>"""
"""Selected text has the page's own colour: the dark theme's primary colour on its own tint has 3.5 to 1."""
