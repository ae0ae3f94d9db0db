"""Where the model looks: all maps, one map, and one bar's attended bars under the candles."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import controls, notices, resources, wording
from app.components.attention_maps import attention_maps, picked_map
from app.figures.attention import map_of
from app.figures.theme import time_labels

MAPS, LOOKS, CANDLES = "attention_maps", "looks", "attended"


def view() -> None:
    """The whole page; a click in it leaves the strip alone."""
    with notices.guard():
        st.markdown(wording.ROUTING)
        at, model = controls.moment(), controls.model_key()
        seen = resources.attention(model, at.key, at.bar)
        layer, head = controls.chosen_map(*seen.weights.shape[:2])
        labels = time_labels(seen.ts, at.key.timeframe)
        query = controls.looking_bar(seen.ts)
        overview, detail = st.columns([0.6, 0.4], gap="medium")
        with overview:
            st.markdown(
                "**Every head's map: click one to open it**",
                help="Rows of a map are bars that look, columns the bars looked at, oldest at the top left. "
                "Each map has its own scale. Hatched: what the layer may not see.",
            )
            maps = resources.overview(model, at.key, at.bar)
            attention_maps(maps, layer=layer, head=head, key=MAPS, on_pick=open_map)
        with detail:
            draw_map_choice(*seen.weights.shape[:2])
            figure = resources.map_detail(model, at.key, at.bar, layer, head, query, controls.is_dark())
            st.plotly_chart(figure, key="map", config=controls.figure_config(f"attention_L{layer}"))
        st.session_state[LOOKS] = labels[query]
        st.select_slider("The bar that looks (or click a candle)", labels, key=LOOKS, on_change=choose_bar)
        row = map_of(seen.weights, layer, head)[query]
        st.markdown(wording.attended_sentence(row, labels, query, layer, head))
        st.plotly_chart(
            resources.attended(
                model, at.key, at.bar, layer, head, query, controls.palette(), controls.is_dark()
            ),
            key=CANDLES, config=controls.figure_config("attended_bars"), on_select=choose_candle,
            selection_mode="points", alt=f"Bars that {labels[query]} looks at",
        )  # fmt: skip
        draw_bias(seen)
        controls.write_url()


def draw_map_choice(layers: int, heads: int) -> None:
    """Layer and head by name, for those who know which one they want."""
    layer, head = controls.chosen_map(layers, heads)
    st.session_state["map_layer"], st.session_state["map_head"] = layer, head or 0
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Layer", range(1, layers + 1), key="map_layer", on_change=choose_map, width=110)
        st.selectbox(
            "Head", range(heads + 1), key="map_head", on_change=choose_map, width=190,
            format_func=lambda number: f"head {number}" if number else "mean of all heads",
        )  # fmt: skip


def draw_bias(seen: resources.AttentionWindow) -> None:
    """How strongly each head was trained to prefer recent bars."""
    st.markdown(
        "**How much each head prefers recent bars** (learned; 1 is where training began, 0 is no preference)",
        help="Scale s of the temporal bias s * exp(-0.1 * age in bars), added to the attention scores.",
    )
    table = pd.DataFrame(
        seen.bias_scale,
        index=[wording.layer_name(i + 1, w, len(seen.ts)) for i, w in enumerate(seen.windows)],
        columns=[f"head {h + 1}" for h in range(seen.bias_scale.shape[1])],
    )
    st.dataframe(table.style.format("{:.2f}"), height="content", alt="Learned bias scale by layer and head")


def open_map() -> None:
    picked = picked_map(MAPS)
    if picked is not None:
        controls.change(layer=picked.layer, head=picked.head)


def choose_map() -> None:
    controls.change(layer=st.session_state["map_layer"], head=st.session_state["map_head"] or None)


def choose_bar() -> None:
    controls.change(looks=st.session_state[LOOKS].replace(" ", "T"))


def choose_candle() -> None:
    points = st.session_state[CANDLES].selection.points
    if points:
        controls.change(looks=str(points[0]["x"]).replace(" ", "T"))


st.fragment(view)()
