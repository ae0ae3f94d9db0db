"""The attribution methods.

Files: conductance, gradients, hiding, registry, settings, shapley.
"""
