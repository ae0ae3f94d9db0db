"""Where the model looks: all maps, one map, one bar's attended bars, every head, and a comparison."""

from __future__ import annotations

import streamlit as st

from app.attention import cached as attention_cached
from app.attention.comparison import draw_comparison
from app.attention.panels import draw_attended, draw_heads, draw_routing
from app.components.attention_maps import attention_maps, picked_map
from app.figures.attention import MAP_WIDTH
from app.shell import cached, controls, notices
from app.shell.choosers import choose_member, chosen_task
from core.prediction import AttentionWindow

MAPS, SCALE = "attention_maps", "one_scale"


def view() -> None:
    """The whole page; a click in it leaves the strip alone."""
    with notices.guard():
        at, model = controls.moment(), controls.model_key()
        draw_routing(model, at, chosen_task(model))
        member = choose_member(model, key="attention_member")
        seen = attention_cached.attention(model, at.key, at.bar, member)
        layer, head = controls.chosen_map(*seen.weights.shape[:2])
        query = controls.looking_bar(seen.ts)
        overview, detail = st.columns([0.6, 0.4], gap="medium")
        with overview:
            draw_overview(model, at, member, layer, head)
        with detail:
            draw_map_choice(seen)
            figure = attention_cached.map_detail(
                model, at.key, at.bar, member, layer, head, query, one_scale(), controls.is_dark()
            )
            st.plotly_chart(
                figure, key="map", width=MAP_WIDTH, config=controls.figure_config(f"attention_L{layer}"),
                alt=f"Attention map of layer {layer}",
            )  # fmt: skip
        draw_attended(model, at, member, head, query)
        draw_heads(model, at, member, seen, query)
        with notices.guard():
            draw_comparison(model, at, member)
        controls.write_url()


def draw_overview(
    model: cached.ModelKey, at: controls.Moment, member: int | None, layer: int, head: int | None
) -> None:
    """All maps, small."""
    st.markdown(
        "**Every head's map: click one to open it**",
        help="Rows of a map are bars that look, columns the bars looked at, oldest at the top left. "
        "Hatched: what the layer may not see.",
    )
    maps = attention_cached.overview(model, at.key, at.bar, member, one_scale())
    attention_maps(maps, layer=layer, head=head, key=MAPS, on_pick=open_map)


def draw_map_choice(seen: AttentionWindow) -> None:
    """Layer and head by name, for those who know which one they want."""
    layers, heads = seen.weights.shape[:2]
    names = ("mean of all heads", *attention_cached.head_names(seen))
    layer, head = controls.chosen_map(layers, heads)
    st.session_state["map_layer"], st.session_state["map_head"] = layer, head or 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Layer", range(1, layers + 1), key="map_layer", on_change=choose_map, width=110)
        st.selectbox(
            "Head", range(heads + 1), key="map_head", on_change=choose_map, width=190,
            format_func=names.__getitem__,
        )  # fmt: skip
        st.toggle(
            "One colour scale", key=SCALE, persist_state="session",
            help="All maps end at the same weight, so that they can be compared; else each at its own.",
        )  # fmt: skip


def one_scale() -> bool:
    """Whether all maps share one colour scale."""
    return bool(st.session_state.get(SCALE))


def open_map() -> None:
    """Open the map that was clicked."""
    picked = picked_map(MAPS)
    if picked is not None:
        controls.change(layer=picked.layer, head=picked.head)


def choose_map() -> None:
    """Open the map that was named."""
    controls.change(layer=st.session_state["map_layer"], head=st.session_state["map_head"] or None)


st.fragment(view)()
