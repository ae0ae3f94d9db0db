"""The Calibration, Selective prediction and Performance screens.

Files: cached, choices, link, notes, panels, tables, words.
"""
