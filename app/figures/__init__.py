"""Data -> Plotly figure, nothing else.

Files: attention, attention_compared, attribution, backtest, candles, faithfulness, importance, performance,
reliability, selective, similar, theme, validation, what_if.
"""
