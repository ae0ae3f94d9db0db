"""The transformer.

Files: attention, dropout, heads, trace, transformer.
"""
