"""The Similar screen.

Files: cached, panels, words.
"""
