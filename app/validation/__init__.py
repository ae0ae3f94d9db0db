"""The validation pack as a page of its own, and the button that makes one.

Files: command, download, sheet.
"""
