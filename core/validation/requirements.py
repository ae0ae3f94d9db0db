"""What model-risk guidance asks for, in one table, so that each finding names what it answers.

The three texts are mapped by subject, in words of our own: PRA SS1/23 by its five principles, US SR 26-2 and
ESMA's self-assessment of algorithmic trading by area. No paragraph is cited and nothing is quoted; whether a
firm meets them is for its own reviewers to say.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """One thing guidance asks for.

    Attributes
    ----------
    source
        The text and the part of it.
    about
        What it asks, in words of our own.
    """

    source: str
    about: str


REQUIREMENTS = {
    "pra1": Requirement("PRA SS1/23, principle 1", "Models are identified, inventoried and classed by risk."),
    "pra2": Requirement("PRA SS1/23, principle 2", "People are answerable: roles, approval and review."),
    "pra3": Requirement(
        "PRA SS1/23, principle 3",
        "Development, data, implementation and use are sound, tested and written down.",
    ),
    "pra4": Requirement(
        "PRA SS1/23, principle 4", "Validation is independent, before use and again while in use."
    ),
    "pra5": Requirement("PRA SS1/23, principle 5", "Known weaknesses are mitigated, limited and followed."),
    "sr_development": Requirement(
        "US SR 26-2, development and use", "Purpose, design, data and testing suit the use."
    ),
    "sr_validation": Requirement(
        "US SR 26-2, validation and monitoring",
        "Soundness is challenged, outcomes are compared with what was said, and followed in use.",
    ),
    "sr_governance": Requirement(
        "US SR 26-2, governance and controls", "Inventory, roles, documentation and change are controlled."
    ),
    "esma_testing": Requirement(
        "ESMA self-assessment, testing", "Trading models are tested before use and at each change."
    ),
    "esma_limits": Requirement(
        "ESMA self-assessment, controls", "Limits, costs and stressed behaviour are known and bounded."
    ),
    "esma_monitoring": Requirement(
        "ESMA self-assessment, monitoring", "Behaviour in use is followed, with alerts."
    ),
    "esma_governance": Requirement(
        "ESMA self-assessment, governance", "Responsibilities, records and reviews are kept."
    ),
}
"""By the key that findings name."""

ANSWERS = {
    "purpose": ("pra1", "sr_development", "esma_governance"),
    "data": ("pra3", "sr_development"),
    "labels": ("pra3", "sr_development"),
    "limits": ("pra5", "sr_validation"),
    "outcomes": ("pra4", "sr_validation", "esma_testing"),
    "calibration": ("pra4", "sr_validation"),
    "slices": ("pra5", "sr_validation"),
    "stability": ("pra3", "sr_validation"),
    "sensitivity": ("pra3", "sr_validation", "esma_testing"),
    "explanations": ("pra3", "sr_development"),
    "fit": ("pra3", "sr_validation"),
    "defects": ("pra4", "sr_validation", "esma_testing"),
    "backtest": ("pra4", "esma_testing", "esma_limits"),
    "monitoring": ("pra5", "sr_validation", "esma_monitoring"),
    "changes": ("pra2", "sr_governance", "esma_governance"),
    "notes": ("pra2", "pra4", "sr_governance", "esma_governance"),
}
"""By section, in the order of the pack, the requirements its findings answer."""
