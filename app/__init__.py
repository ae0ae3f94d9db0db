"""The screens: what a browser shows of `core`, a folder a screen.

Files: main, serve, strip.
Folders: attention, attribution, challengers, components, data, desk, figures, live, report, review, shell,
similar, validation, what_if, words.
"""
