"""Data -> Plotly figure, nothing else.

Files: attention, attribution, candles, faithfulness, importance, performance, reliability, selective,
similar, theme, what_if.
"""
