"""A model's evidence as one document: findings with a status, what they answer, and what recomputes them.

Files: discoveries, findings, material, pack, requirements.
Folders: defects, sections.
"""
