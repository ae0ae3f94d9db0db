"""The Desk: every stored series at its newest bar, where a trader starts the day.

Files: cached, panels, words.
"""
