"""Sentences and labels several screens share, without Streamlit.

Files: challengers, confidence, features, glossary, members, numbers, own_scale, predictions, records, scales,
stances, terms.
"""
