"""The lake from a cell: ``%lh``, ``%lhingest``, ``%lhprofile``, ``%lhdiff``, ``%lhcheck``, ``%lhhistory``.

Each calls the verb that the command of the same name calls, and says what it would say.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand  # noqa: TID253 - IPython's own door

from kernel_ext import lake_views
from kernel_ext.bar import Bar
from kernel_ext.demo import WORKERS
from kernel_ext.lake_views import SAMPLE, VERBS
from kernel_ext.options import Options
from kernel_ext.session import told
from kernel_ext.written import speak_all
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.session import Session
    from kernel_ext.sheet import Sheet
    from workbench.lake.loading.report import Request


@magics_class
class LakeMagics(Magics):
    """The magics that show and fill the lake."""

    def __init__(self, shell: InteractiveShell, *, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    def _read(self, options: Options, line: str) -> Namespace | None:
        """The options of a line, each word that is ``{{x}}`` with its value: IPython's own ``{x}`` is off for ours."""
        asked = options.read(line)
        if asked is not None:
            speak_all(asked, self._session.shell.user_ns)
        return asked

    @no_var_expand
    @line_magic
    @told
    def lh(self, line: str) -> Sheet | None:
        """Where am I: the lake, its datasets, the settings. ``%lh --help`` lists what else it shows."""
        asked = self._read(_lh_options(), line)
        return None if asked is None else lake_views.lake(self._session, asked)

    @no_var_expand
    @line_magic
    @told
    def lhingest(self, line: str) -> Sheet | None:
        """Load a file into a dataset as a new snapshot: typed, checked, tagged, all or nothing."""
        asked = self._read(_ingest_options(), line)
        if asked is None:
            return None
        with Bar(self._session.shell, "ingest") as bar:
            done = self._session.wb.lake.ingest(_request(asked), bar)
        return lake_views.loaded(self._session, done)

    @no_var_expand
    @line_magic
    @told
    def lhprofile(self, line: str) -> Sheet | None:
        """Facts of every column: nulls, distinct values, range, most common values."""
        asked = self._read(_profile_options(), line)
        return None if asked is None else lake_views.profile(self._session, asked)

    @no_var_expand
    @line_magic
    @told
    def lhdiff(self, line: str) -> Sheet | None:
        """What changed between two versions: counts, columns, changed rows."""
        asked = self._read(_diff_options(), line)
        return None if asked is None else lake_views.diff(self._session, asked)

    @no_var_expand
    @line_magic
    @told
    def lhcheck(self, line: str) -> Sheet | None:
        """Check what a dataset is expected to hold."""
        asked = self._read(_check_options(), line)
        return None if asked is None else lake_views.check(self._session, asked)

    @no_var_expand
    @line_magic
    @told
    def lhhistory(self, line: str) -> Sheet | None:
        """The SQL asked in this session, and the searches of the lake's log."""
        asked = self._read(_history_options(), line)
        return None if asked is None else lake_views.history(self._session, asked)


def _lh_options() -> Options:
    options = Options(
        "lh",
        "Where am I: the lake, its datasets, the settings that differ from their defaults.",
        epilog="%lh use PATH works on another lake; %lh describe workers; %lh sample workers -n 5; %lh workers\n"
        "A word {{x}} is the value of the variable x, here and in the lake's other magics.",
    )
    options.add("verb", nargs="?", default="ls", metavar="VERB", help=", ".join(VERBS) + ", or a dataset to describe")
    options.add("name", nargs="?", default="", metavar="NAME", help="dataset or version (workers@2); for use a lake")
    options.add("-n", type=int, default=SAMPLE, metavar="N", help=f"rows of a sample ({SAMPLE})")
    options.add("--workers", type=int, default=WORKERS, metavar="N", help=f"demo: how many are made up ({WORKERS:,})")
    options.add("--pii", action="append", metavar="COLUMN=KIND", help="describe: set a PII tag, COLUMN= removes it")
    options.add("--show-pii", action="store_true", help="sample: show personal data as it is")
    return options


def _ingest_options() -> Options:
    options = Options(
        "lhingest",
        "Load a file into a dataset as a new snapshot: typed, checked, tagged, all or nothing.",
        epilog="lh ingest --help in a terminal lists the rarer options of a file's form.",
    )
    options.add("path", type=Path, metavar="FILE", help="delimited text (also packed), Parquet, JSON, Excel")
    options.add("--name", default="", metavar="DATASET", help="else taken from the file's name")
    options.add("--replace", action="store_true", help="the file replaces the rows there are")
    options.add("--key", default="", metavar="A,B", help="upsert by these columns")
    options.add("--dry-run", action="store_true", help="show types, PII, drift, rejects; write nothing")
    options.add("--evolve", action="store_true", help="take new columns and wider types")
    options.add("--quarantine", action="store_true", help="set rows aside that do not fit")
    options.add("--rename", action="append", metavar="FILE=DATASET", help="a column by another name; repeatable")
    options.add("--ignore", action="append", metavar="COLUMN", help="leave a column of the file out; repeatable")
    options.add("--type", dest="types", action="append", metavar="COLUMN=TYPE", help="text|int|double|date dmy …")
    options.add("--pii", action="append", metavar="COLUMN=KIND", help="name|email|phone|…; empty for none")
    options.add("--max-errors", type=int, metavar="N", help="refuse a file with more rejected rows")
    options.add("-m", "--message", default="", metavar="WHY", help="for the history")
    options.add("--text", action="store_true", help="keep every cell exactly as its text")
    options.add("--encoding", metavar="NAME", help="override: cp1252, utf-16, …")
    options.add("--delimiter", metavar="CHARS", help="override: one or more characters, \\t for tab")
    options.add("--skip-lines", type=int, metavar="N", help="override: lines before the header")
    options.add("--header-rows", type=int, metavar="N", help="override: rows of the header, 0 for none")
    options.add("--sheet", metavar="NAME", help="sheet of a workbook; else the first")
    return options


def _request(asked: Namespace) -> Request:
    from workbench.cli.app import pairs
    from workbench.lake.files.dialect import Overrides
    from workbench.lake.files.sources import Reading
    from workbench.lake.loading.report import Request
    from workbench.pii import check_kind

    if asked.key and asked.replace:
        raise InvalidError("--key and --replace exclude each other.", hint="--key updates rows, --replace drops them.")
    kinds = pairs(asked.pii, "--pii", "column=kind")
    for kind in kinds.values():
        check_kind(kind)
    overrides = Overrides(
        encoding=asked.encoding, delimiter=asked.delimiter and asked.delimiter.replace("\\t", "\t"),
        skip_lines=asked.skip_lines, header_rows=asked.header_rows,
    )  # fmt: skip
    return Request(
        asked.path.expanduser(), asked.name, mode="upsert" if asked.key else "replace" if asked.replace else "append",
        key=lake_views.names(asked.key), message=asked.message, evolve=asked.evolve, quarantine=asked.quarantine,
        ignore=tuple(asked.ignore or ()), rename=pairs(asked.rename, "--rename", "file_column=dataset_column"),
        types=pairs(asked.types, "--type", "column=type"), pii=kinds, max_rejects=asked.max_errors,
        dry_run=asked.dry_run, how=Reading(overrides, asked.text, asked.sheet),
    )  # fmt: skip


def _profile_options() -> Options:
    options = Options("lhprofile", "Facts of every column: nulls, distinct values, range, most common values.")
    options.add("dataset", metavar="DATASET", help="or a version of it: workers@2")
    options.add("--show-pii", action="store_true", help="show personal data as it is")
    return options


def _diff_options() -> Options:
    options = Options("lhdiff", "What changed between two versions: counts, columns, changed rows.")
    options.add("old", metavar="OLD", help="workers@1")
    options.add("new", metavar="NEW", help="workers@2, or workers for the newest")
    options.add("--key", default="", metavar="A,B", help="columns that name a row; else the first unique …_id")
    options.add("--show-pii", action="store_true", help="show personal data as it is")
    return options


def _check_options() -> Options:
    options = Options(
        "lhcheck",
        "Check what a dataset is expected to hold: of what is given, else of what is kept with it.",
        epilog="unique(a, b) · not_null(a, b) · range(a, 0, 1) · pattern(a, '[0-9]{5}') · reference(a, cities.city) ·\n"
        "values(a, 'x', 'y') · rows(1, )     For example: %lhcheck workers \"unique(worker_id)\" --keep",
    )
    options.add("dataset", metavar="DATASET", help="or a version of it: workers@2")
    options.add("expectations", nargs="*", metavar="EXPECTATION", help='"unique(worker_id)" …')
    options.add("--expect", action="append", default=[], metavar="EXPECTATION", help="the same, as lh check takes it")
    options.add("--file", type=Path, metavar="TOML", help="a file: workers = ['unique(worker_id)', …]")
    options.add("--keep", action="store_true", help="keep these with the dataset")
    options.add("--drop", action="store_true", help="keep these no longer; without any none at all")
    options.add("--suggest", action="store_true", help="propose expectations that hold now")
    options.add("--show-pii", action="store_true", help="show personal data as it is")
    return options


def _history_options() -> Options:
    options = Options(
        "lhhistory",
        "The SQL asked in this session, and the searches of the lake's log; or another of its logs. Newest first.",
    )
    options.add("-k", type=int, default=20, metavar="N", help="how many (20)")
    options.add("--sql", action="store_true", help="only SQL")
    options.add("--searches", action="store_true", help="only searches")
    options.add("--calls", action="store_true", help="calls of models: tokens, cost, how they ended")
    options.add("--sessions", action="store_true", help="runs of %%lhiterate: verdict, grounded or not")
    options.add("--access", action="store_true", help="looks at personal data: who, what, through which door")
    return options
