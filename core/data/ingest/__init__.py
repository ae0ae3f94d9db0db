"""From a file to stored bars.

Files: cells, mapping, parse, quality, run, tables.
"""
