"""The Attention screen.

Files: cached, comparison, panels.
"""
