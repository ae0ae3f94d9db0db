"""The Live screen.

Files: cached, doubts, panels, why.
"""
