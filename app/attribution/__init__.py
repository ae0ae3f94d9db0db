"""The Attribution screen.

Files: cached, choices, importance, panels, words.
"""
