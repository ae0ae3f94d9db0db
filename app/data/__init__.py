"""The Data screen.

Files: upload.
"""
