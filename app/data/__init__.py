"""The Data screen.

Files: rehearsal, stored, upload.
"""
