"""The Calibration, Selective prediction and Performance screens.

Files: cached, choices, panels, words.
"""
