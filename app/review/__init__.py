"""The Calibration, Selective prediction and Performance screens.

Files: cached, choices, link, panels, tables, words.
"""
