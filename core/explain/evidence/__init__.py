"""How far explanations of one model can be trusted, measured and stored.

Files: importance, importance_formulas, routing, run, sample, store.
Folders: planted.
"""
