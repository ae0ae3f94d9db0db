"""A button that puts a link to the present view on the clipboard."""

from __future__ import annotations

from streamlit.components.v2 import component

_HTML = '<button type="button" title="Copies a link that opens this view again">Copy link</button>'
_CSS = """
button {
  width: 100%;
  min-height: 2.5rem;
  padding: 0.25rem 0.75rem;
  font: inherit;
  font-family: var(--st-font);
  color: var(--st-text-color);
  background: transparent;
  border: 1px solid var(--st-border-color);
  border-radius: var(--st-button-radius);
  cursor: pointer;
  white-space: nowrap;
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
# Without clipboard permission (plain http on another host) the old selection command still copies.
_JS = """
async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try { await navigator.clipboard.writeText(text); return true } catch { /* refused: try below */ }
  }
  const area = document.createElement("textarea")
  area.value = text
  document.body.appendChild(area)
  area.select()
  const done = document.execCommand("copy")
  area.remove()
  return done
}
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button")
  button.onclick = async () => {
    const query = new URLSearchParams(location.search)
    if (!query.get("bar")) query.set("bar", data.bar)
    const link = `${location.origin}${location.pathname}?${query}`
    button.dataset.link = link
    button.textContent = (await copy(link)) ? "Copied" : "Copy the address bar"
    setTimeout(() => (button.textContent = "Copy link"), 1500)
  }
}
"""
_mount = component("lookback_copy_link", html=_HTML, css=_CSS, js=_JS)


def copy_link(bar: str) -> None:
    """Draw the button; `bar` is pinned in the link where the page follows the latest."""
    _mount(data={"bar": bar}, key="copy_link", width=110)
