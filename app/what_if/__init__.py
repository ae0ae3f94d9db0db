"""The What-if screen.

Files: cached, drafts, editors, panels, words.
"""
