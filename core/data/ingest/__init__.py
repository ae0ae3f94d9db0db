"""From a file to stored bars.

Files: bundled, mapping, names, overwrites, parse, quality, run, settle, splice, tables.
Folders: cells, columns, containers.
"""
