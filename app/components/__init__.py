"""Custom components: drawn in the browser by their own JavaScript.

Files: attention_bands, attention_maps, copy_link, head_table, record_strip.
"""
