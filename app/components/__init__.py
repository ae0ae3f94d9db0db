"""Custom components: drawn in the browser by their own JavaScript.

Files: attention_bands, attention_maps, bar_keys, copy_link, crosshair, head_table, record_strip.
"""
