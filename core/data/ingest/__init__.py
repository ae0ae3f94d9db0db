"""From a file to stored bars.

Files: bundled, cells, mapping, parse, quality, run, splice, tables.
"""
