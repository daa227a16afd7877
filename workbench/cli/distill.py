"""``lh distill``: run logs become training data; every stage alone, or all of them, and the audit of what came out."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import distill_review, distill_shown, show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.cli.distill_options import AtOption, RootOption, now
from workbench.cli.progress import Bar
from workbench.errors import NotFoundError

if TYPE_CHECKING:
    from workbench.distill.replay import Models
    from workbench.distill.root import Root
    from workbench.distill.run import Order

distill = typer.Typer(
    help="Make training data of run logs: collect, score, export, audit, replay, review.", no_args_is_help=True
)
app.add_typer(distill, name="distill")
distill.add_typer(distill_review.review, name="review")

RunOption = Annotated[str, typer.Option("--run-id", help="Name of the run, for its receipts; else a new one.")]
RosterOption = Annotated[bool, typer.Option("--roster/--no-roster", help="Hide the people that the lake knows.")]
EvaluationOption = Annotated[
    list[Path] | None, typer.Option("--evaluation", help="A set that models are judged by: no row may overlap with it.")
]
PartialOption = Annotated[bool, typer.Option("--include-partial", help="SFT takes partially accepted rows too.")]
ReviewOption = Annotated[bool, typer.Option("--include-review", help="RAG takes rows that wait for a human too.")]
DayOption = Annotated[bool, typer.Option("--partition-only", help="A row is known only if its day's file holds it.")]


@distill.command("run")
def run_all(
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    run_id: RunOption = "",
    roster: RosterOption = True,
    evaluation: EvaluationOption = None,
    include_partial: PartialOption = False,
    include_review: ReviewOption = False,
    partition_only: DayOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Collect, score and export all three; then receipts, summary and drift. Exit 1 when a stage did not pass."""
    from workbench.distill.root import Root
    from workbench.distill.run import run

    more = {"include_partial": include_partial, "include_review": include_review, "partition_only": partition_only}
    with _order(recorded_at, run_id, lake if roster else "", evaluation, more, roster=roster) as order:
        done = run(_sourced(Root(root)), order)
    if as_json:
        show.json_out(done.summary.model_dump(by_alias=True) | {"drift": done.drift.model_dump()})
    else:
        distill_shown.stages(done.receipts)
        show.line(f"run {order.run_id}: {distill_shown.datasets(done.summary.datasets)}; drift {done.drift.severity}")
    _exit(passed=done.summary.overall_passed)


@distill.command()
def collect(
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    run_id: RunOption = "",
    partition_only: DayOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the source logs into evidence; exit 1 when a row was skipped."""
    with _order(recorded_at, run_id, "", None, {"partition_only": partition_only}, roster=False) as order:
        _stage(root, "collect", order, as_json=as_json)


@distill.command()
def score(
    root: RootOption = Path(), recorded_at: AtOption = "", run_id: RunOption = "", as_json: JsonOption = False
) -> None:
    """Score the evidence that today's scorer has not judged yet."""
    with _order(recorded_at, run_id, "", None, {}, roster=False) as order:
        _stage(root, "score", order, as_json=as_json)


@distill.command()
def export(
    kind: Annotated[str, typer.Argument(help="rag, sft or preference.")],
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    run_id: RunOption = "",
    form: Annotated[
        str, typer.Option("--format", help="Write it once more: trl-sft, chatml, sharegpt, alpaca, trl-dpo or kto.")
    ] = "",
    roster: RosterOption = True,
    evaluation: EvaluationOption = None,
    include_partial: PartialOption = False,
    include_review: ReviewOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Export one data set: gates, firewall and schema; what is refused goes to quarantine with its reason."""
    from workbench.distill.export import write_format
    from workbench.distill.root import Root

    _check_export(kind, form)
    more = {"include_partial": include_partial, "include_review": include_review}
    with _order(recorded_at, run_id, lake if roster else "", evaluation, more, roster=roster) as order:
        _stage(root, f"export-{kind}", order, as_json=as_json)
    if form:
        path, rows = write_format(Root(root), form)
        show.remark(f"{rows:,} rows as {form}: {path}")


@distill.command()
def receipts(
    run_id: Annotated[str, typer.Argument(help="A run; none: the newest.")] = "", root: RootOption = Path()
) -> None:
    """Compare the receipts of a run with the disk; exit 1 where they differ."""
    from workbench.distill.audit import newest_run
    from workbench.distill.receipts import mismatches, read_receipts
    from workbench.distill.records import StageReceipt
    from workbench.distill.root import Root

    place = Root(root)
    found = read_receipts(place, run_id or newest_run(place))
    distill_shown.stages([one for one in found.values() if isinstance(one, StageReceipt)])
    wrong = [f"{stage}: {one or 'missing'}" for stage, one in found.items() if not isinstance(one, StageReceipt)]
    wrong += [line for one in found.values() if isinstance(one, StageReceipt) for line in mismatches(place, one)]
    for line in wrong:
        show.caution(line)
    _exit(passed=not wrong)


@distill.command()
def acceptance(
    folder: Annotated[Path | None, typer.Option("--keep", help="Run in this empty folder and keep it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the 15-row fixture and judge the 22 invariants; exit 1 when one does not hold."""
    from workbench.distill.acceptance import accept

    with TemporaryDirectory() as own:
        done = accept(folder or Path(own) / "acceptance").to_dict()
    if as_json:
        show.json_out(done)
    else:
        rows = [("✓" if one["ok"] else "✗", one["name"], one["expected"], one["actual"]) for one in done["invariants"]]
        show.table(["", "invariant", "expected", "actual"], [tuple(map(str, row)) for row in rows], wrap=True)
        show.line(f"{done['held']} of {done['of']}{': ' + done['stopped'] if done['stopped'] else ''}")
    _exit(passed=done["ok"])


@distill.command("audit-full")
def audit_full(
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    reference: Annotated[Path | None, typer.Option(help="What describes the tree; else the newest run's page.")] = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report below the root.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Check a tree in 22 ways, 16 of them required; exit 1 when a required one does not hold."""
    from workbench.distill.audit import audit
    from workbench.distill.root import Root

    done = audit(Root(root), recorded_at=now(recorded_at), reference=reference)
    if report:
        distill_shown.write_report(Root(root), done)
    show.json_out(done.to_dict()) if as_json else distill_shown.audited(done)
    _exit(passed=done.ok)


@distill.command()
def baseline(
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Count what is on disk beside the newest baseline, and append it as the next one."""
    from workbench.distill import baselines
    from workbench.distill.checks import metrics
    from workbench.distill.root import Root
    from workbench.distill.run import git_state

    place = Root(root)
    found = metrics(place)
    rows = baselines.drift_rows(found, baselines.read_last(place.baselines))
    if not dry_run:
        baselines.append(place.baselines, baselines.Baseline(now(recorded_at), git_state().sha, found))
    show.json_out([row.to_dict() for row in rows]) if as_json else distill_shown.metrics(rows)


@distill.command()
def drift(
    root: RootOption = Path(),
    scorer: Annotated[bool, typer.Option("--scorer", help="Judge the scored runs again with today's scorer.")] = False,
) -> None:
    """Show how the newest run differs from the one before, or today's scorer from the persisted scores."""
    from workbench.distill.audit import newest_run
    from workbench.distill.drift import drift_of
    from workbench.distill.rescoring import rescore
    from workbench.distill.root import Root

    place = Root(root)
    if scorer:
        show.json_out(rescore(place).to_dict())
        return
    run_id = newest_run(place)
    show.json_out(drift_of(place, run_id, recorded_at=_recorded_at(place, run_id)).model_dump())


@distill.command()
def replay(
    task: Annotated[str, typer.Argument(help="What is to be done, in plain words.")],
    root: RootOption = Path(),
    recorded_at: AtOption = "",
    model: Annotated[str, typer.Option(help="ollama/qwen3, …; else the setting chat_model.")] = "",
    strong: Annotated[str, typer.Option("--strong", help="The model that is asked once more after a failure.")] = "",
    no_retrieval: Annotated[bool, typer.Option("--no-retrieval", help="For A/B only: the task alone.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask no model; the same answer each time.")] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Answer a task with what earlier runs learned, and judge the answer; exit 1 when it fails the gate."""
    from workbench.distill.replay import append, read_corpus
    from workbench.distill.replay import replay as replayed
    from workbench.distill.root import Root

    corpus = read_corpus(Root(root).export("rag"))
    options = {"allow_escalation": bool(strong), "no_retrieval": no_retrieval}
    with _models(lake, model, strong, dry_run=dry_run) as models:
        done = replayed(task, corpus, recorded_at=now(recorded_at), models=models, **options)
    append(Root(root).replays, done)
    show.json_out(done.to_dict()) if as_json else distill_shown.replayed(done)
    _exit(passed=done.passed)


@distill.command()
def why(
    row: Annotated[str, typer.Argument(help="Id of an exported row, or of a run.")],
    root: RootOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Follow a row back to its source line, hashed again on the way; exit 1 when the chain is broken."""
    from workbench.distill.root import Root
    from workbench.distill.why import why as chain_of

    chain = chain_of(Root(root), row)
    if as_json:
        show.json_out(chain.to_dict())
    else:
        for link in chain.links:
            show.line(f"{'✓' if link.holds else '✗'} {link.what}  {link.place}  {link.says}")
    _exit(passed=chain.whole)


@distill.command()
def fixture(
    folder: Annotated[Path, typer.Argument(help="Where the source tree is written.")],
    rows: Annotated[int, typer.Option(min=1, help="How many source rows, over all streams.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
) -> None:
    """Write a realistic source tree: all streams, good rows and bad ones."""
    from workbench.distill.fixture import write_fixture

    root = write_fixture(folder, rows, seed)
    show.line(f"{rows:,} rows in {len(root.sources())} streams below {root.path}; next: lh distill run --root {folder}")


@contextmanager
def _order(
    recorded_at: str,
    run_id: str,
    lake: str | None,
    evaluation: Sequence[Path] | None,
    more: dict[str, Any],
    *,
    roster: bool,
) -> Iterator[Order]:
    """What a run is asked to do, with a progress bar while it does it."""
    from workbench.distill.firewall import Firewall
    from workbench.distill.run import Order, git_state

    wall = Firewall.declare(_people(lake) if roster else (), evaluation=evaluation or ())
    name = run_id or f"run-{secrets.token_hex(6)}"
    with Bar() as bar:
        yield Order(now(recorded_at), name, git_state(), wall, workers=os.cpu_count() or 1, progress=bar, **more)


def _people(lake: str | None) -> list[tuple[str, str]]:
    from workbench.session.people import known_values

    with workbench(lake) as wb:
        return list(known_values(wb.lake))


def _stage(root: Path, stage: str, order: Order, *, as_json: bool) -> None:
    from workbench.distill.root import Root
    from workbench.distill.run import run_stage

    place = Root(root)
    done = run_stage(_sourced(place) if stage == "collect" else place, stage, order)
    show.json_out(done.model_dump()) if as_json else distill_shown.stages([done])
    _exit(passed=done.validation.passed)


def _check_export(kind: str, form: str) -> None:
    from workbench.distill.export import FORMATS
    from workbench.distill.root import EXPORTS
    from workbench.errors import InvalidError

    if kind not in EXPORTS:
        raise NotFoundError.named("export", kind, EXPORTS)
    of_kind = [name for name, (made_of, _) in FORMATS.items() if made_of == kind]
    if form and form not in of_kind:
        raise InvalidError(f"{kind} has no format {form!r}.", hint=f"There are: {', '.join(of_kind) or 'none'}.")


def _sourced(place: Root) -> Root:
    """The tree, if it has anything to collect: a wrong folder must not become a run of nothing."""
    if not place.sources():
        raise NotFoundError(
            f"There are no source logs in {place.kb}.",
            hint="--root DIR is the folder that holds data/_kb. For an example: lh distill fixture DIR",
        )
    return place


def _exit(*, passed: bool) -> None:
    if not passed:
        raise typer.Exit(1)


def _recorded_at(root: Root, run_id: str) -> str:
    from workbench.distill.receipts import read_receipts
    from workbench.distill.records import StageReceipt

    for one in read_receipts(root, run_id).values() if run_id else ():
        if isinstance(one, StageReceipt):
            return one.provenance.recorded_at
    raise NotFoundError(f"No run is recorded below {root.path}.", hint="lh distill run makes one.")


@contextmanager
def _models(lake: str | None, model: str, strong: str, *, dry_run: bool) -> Iterator[Models | None]:
    from workbench.distill.replay import Models

    if dry_run:
        yield None
        return
    with workbench(lake) as wb:
        yield Models(wb.llm, model or wb.settings.chat_model, strong)
