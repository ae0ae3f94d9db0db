"""The What-if screen.

Files: cached, drafts, editors, marks, panels, words.
"""
