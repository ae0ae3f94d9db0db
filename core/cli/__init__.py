"""The commands of ``python -m core``.

Files: command, data, experiments, explain, model, output, trading, validation.
"""
