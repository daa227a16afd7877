"""Truth rules: a condition over the facts of a task, and what follows when it holds.

`read_book` reads the rules that are built in and those of a folder; `RuleBook.judge` asks them all and says what each
found. Nothing here knows validators or models: the session says what the facts are and what a refusal means.
"""

from workbench.memory.truth.book import Outcome, RuleBook, Ruling, State
from workbench.memory.truth.facts import CLASSES, FACTS, check_class
from workbench.memory.truth.folder import read_book, rule_files, stamp, with_files
from workbench.memory.truth.paths import Place, cover
from workbench.memory.truth.rules import Action, Block, Pass, Redact, Reject, Rule

__all__ = [
    "CLASSES",
    "FACTS",
    "Action",
    "Block",
    "Outcome",
    "Pass",
    "Place",
    "Redact",
    "Reject",
    "Rule",
    "RuleBook",
    "Ruling",
    "State",
    "check_class",
    "cover",
    "read_book",
    "rule_files",
    "stamp",
    "with_files",
]
