"""The screens: what a browser shows of `core`, a folder a screen.

Files: main, serve, strip.
Folders: attention, attribution, backtest, challengers, components, data, desk, figures, live, report, review,
shell, similar, stances, validation, what_if, words.
"""
