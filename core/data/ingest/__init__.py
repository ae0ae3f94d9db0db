"""From a file to stored bars.

Files: bundled, intake, mapping, names, overwrites, parse, quality, run, settle, splice, tables.
Folders: cells, checks, columns, containers.
"""
