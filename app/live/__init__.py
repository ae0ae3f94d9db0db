"""The Live screen.

Files: cached, panels.
"""
