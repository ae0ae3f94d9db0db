"""The report of one prediction as one HTML file, from the templates page.html and parts.html.

Files: command, download, html, material, review, sections.
"""
