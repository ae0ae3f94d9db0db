"""The Backtest page: what acting on the calls would have earned.

Files: cached, choices, panels, words.
"""
