"""Why: attributions, attention, their checks, edits.

Files: attention, attribution, cache, causes, counterfactual, edits, explanation, faithfulness, margin,
moment, past_windows, references.
Folders: evidence, methods, similar.
"""
