"""The report of one prediction as one HTML file.

Files: command, download, html, material, sections.
"""
