"""The firewall: no row leaves with a person's data, nor with a piece of what a model will be judged by."""

from workbench.distill.firewall.contamination import GRAM, EvaluationSets, Overlap
from workbench.distill.firewall.people import Replaced, mask_people, replace_people
from workbench.distill.firewall.wall import Firewall, Passed, Stopped

__all__ = [
    "GRAM",
    "EvaluationSets",
    "Firewall",
    "Overlap",
    "Passed",
    "Replaced",
    "Stopped",
    "mask_people",
    "replace_people",
]
