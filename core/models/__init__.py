"""The transformer.

Files: attention, direct, dropout, ensemble, heads, trace, transformer.
"""
