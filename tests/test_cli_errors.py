"""Every mistake a user can make at the command line, and what lh says to it: what, where, what to do next."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import workbench
from workbench.cli.entry import main

ROSTER = """worker_id,name,city,zip,phone,reliability
1,Ann Lee,Joliet,06001,+1 815-555-0100,0.5
2,Bo Cruz,Chicago,60601,312-555-0101,1
3,Cy Oh,Gary,46402,219-555-0102,0.25
"""
SECRETS = ("815-555-0100", "555-0101", "Ann Lee", "Cy Oh", "hunter2")
# Words of Python, of libraries and of our insides that a user has no use for.
INSIDE = re.compile(r"Traceback|File \"|workbench\.|pydantic|duckdb\.|pyarrow|Errno|\x1b|<class|object at 0x")


@dataclass(frozen=True)
class Case:
    """A command line, its exit code, what the message must hold and what the hint must hold."""

    line: str
    code: int
    words: tuple[str, ...]
    hint: str


CASES = [
    # The command line itself.
    Case("sqll 'SELECT 1'", 2, ("sqll", "'sql'"), "lh --help"),
    Case("ls --jsn", 2, ("--jsn", "--json"), "lh ls --help"),
    Case("sql", 2, ("query",), "lh sql --help"),
    Case("sql 'SELECT 1' --limit 0", 2, ("--limit", "greater than or equal to 1"), "lh sql --help"),
    Case("sql 'SELECT 1' --limit many", 2, ("--limit", "valid integer"), "lh sql --help"),
    Case("sql 'SELECT 1' --timeout -1", 2, ("--timeout",), "lh sql --help"),
    Case("sql 'SELECT 1' --csv --json", 1, ("--csv and --json",), "one of them"),
    Case("sql 'SELECT $x' --param x", 1, ("--param", "name=value", "'x'"), "--param name=value"),
    Case("sql 'SELECT $x' --param x=1 --param x=2", 1, ("x twice",), "Keep one"),
    Case("sql 'SELECT $x'", 1, ("parameter x",), "--param x=…"),
    Case("expire workers", 2, ("--keep",), "lh expire --help"),
    Case("expire workers --keep 0", 2, ("--keep",), "lh expire --help"),
    Case("search truck -k 0", 2, ("-k",), "lh search --help"),
    Case("search '-nights'", 2, ("-n",), "lh search -- TEXT"),
    # The lake.
    Case("ls --lake ''", 2, ("empty",), "s3://"),
    Case("ls --lake roster.csv", 2, ("roster.csv is a file",), "lh ingest FILE"),
    Case("ls --lake ftp://host/x", 2, ("ftp://host/x",), "s3://bucket/prefix"),
    Case("ls --lake s3://", 2, ("bucket",), "s3://bucket/prefix"),
    Case("ls --lake s3://ann:hunter2@bucket/x", 2, ("password",), "AWS_ACCESS_KEY_ID"),
    Case("sql 'SELECT * FROM workers' --lake nowhere", 1, ("'workers'",), "no dataset yet"),
    # Files.
    Case("ingest rooster.csv", 1, ("'rooster.csv'",), "roster.csv"),
    Case("ingest folder", 1, ("folder is a folder",), "one file"),
    Case("ingest empty.csv", 1, ("empty.csv is empty",), "export"),
    Case("ingest noise.csv", 1, ("noise.csv",), "CSV, Parquet, JSON and Excel"),
    Case("ingest noise.parquet", 1, ("noise.parquet",), "CSV, Parquet, JSON and Excel"),
    Case("ingest broken.json", 1, ("broken.json cannot be read",), "export"),
    # Ingest options.
    Case("ingest roster.csv --name 'My Workers'", 1, ("'My Workers'",), "--name my_workers"),
    Case("ingest roster.csv --name workers --key worker", 1, ("'worker'",), "worker_id"),
    Case("ingest roster.csv --key worker_id --replace", 1, ("--key and --replace",), "updates rows"),
    Case("ingest roster.csv --evolve --quarantine", 1, ("--evolve and --quarantine",), "one of them"),
    Case("ingest roster.csv --text --type zip=int", 1, ("--text", "--type"), "Drop one"),
    Case("ingest roster.csv --name new --type zipp=int", 1, ("'zipp'",), "zip"),
    Case("ingest roster.csv --name new --type zip=itn", 1, ("'itn' is no type",), "int"),
    Case("ingest roster.csv --name new --type name=int", 1, ("name", "int64"), "Mend"),
    Case("ingest roster.csv --name new --type zip", 1, ("--type", "column=type", "'zip'"), "--type column=type"),
    Case("ingest roster.csv --name new --pii name=nme", 1, ("'nme' is no kind",), "name"),
    Case("ingest roster.csv --name new --rename zip", 1, ("--rename", "'zip'"), "file_column=dataset_column"),
    Case("ingest roster.csv --name new --max-errors -1", 2, ("--max-errors",), "lh ingest --help"),
    Case("ingest roster.csv --name new --encoding utf-99", 1, ("'utf-99'",), "cp1252"),
    Case("ingest roster.csv --name new --quote abc", 1, ("'abc' is no quote",), "One character"),
    Case("ingest roster.csv --name new --escape x", 1, ("'x' is no escape",), "backslash"),
    Case("ingest roster.csv --name new --skip-lines -1", 1, ("--skip-lines",), "from 0"),
    Case("ingest roster.csv --name new --names a,b", 1, ("2 names", "6 columns"), "--names worker_id"),
    Case("ingest drift.csv --name workers", 1, ("drift.csv", "+ shift"), "lh ingest drift.csv --name workers --evolve"),
    # SQL.
    Case("sql ''", 1, ("no SQL",), "lh sql"),
    Case("sql 'SELEC 1'", 1, ("SELEC",), "Did you mean SELECT"),
    Case("sql 'SELECT nam FROM workers'", 1, ("nam",), "name"),
    Case("sql 'SELECT * FROM workrs'", 1, ("'workrs'",), "workers"),
    Case("sql 'DELETE FROM workers'", 1, ("DELETE",), "--replace"),
    Case("sql 'SELECT 1; SELECT 2'", 1, ("2 statements",), "one by one"),
    Case("sql 'SHOW TABLES'", 1, ("SHOW",), "lh ls"),
    Case("sql \"SELECT * FROM read_csv('/etc/passwd')\"", 1, ("read_csv",), "lh ingest"),
    Case("sql \"COPY workers TO 'x.csv'\"", 1, ("COPY",), "lh export"),
    Case("sql 'SELECT * FROM workers@99'", 1, ("workers", "99"), "lh snapshots workers"),
    Case("sql \"SELECT * FROM workers@'1999-01-01'\"", 1, ("1999",), "lh snapshots workers"),
    Case("sql 'SELECT CAST(name AS INT) FROM workers'", 1, ("name",), "TRY_CAST"),
    Case("sql 'SELECT count(*) FROM range(100000000000)' --timeout 0.2", 1, ("0.2 s",), "--timeout"),
    # Datasets.
    Case("describe worker", 1, ("'worker'",), "workers"),
    Case("describe workers --pii phone=fone", 1, ("'fone'",), "phone"),
    Case("describe workers --pii fone=phone", 1, ("'fone'",), "phone"),
    Case("profile workers@77", 1, ("77",), "lh snapshots workers"),
    Case("diff workers other", 1, ("two datasets",), "lh diff"),
    Case("diff workers@1 workers@2 --key nope", 1, ("'nope'",), "worker_id"),
    Case("restore workers@99", 1, ("99",), "lh snapshots workers"),
    Case("restore workers", 1, ("workers is at",), "lh snapshots workers"),
    Case("compact nope", 1, ("'nope'",), "lh ls"),
    Case("rejects workers --out fix.csv", 1, ("set rows aside",), "lh snapshots workers"),
    Case("rejects workers --replay rooster.csv", 1, ("'rooster.csv'",), "roster.csv"),
    Case("rejects workers --replay a.csv --out b.csv", 1, ("--replay excludes",), "lh rejects workers --replay a.csv"),
    Case("export workers out.xyz", 1, ("out.xyz",), ".parquet"),
    Case("export workers .", 1, (". is a folder",), "export.csv"),
    Case("export workers none/out.csv", 1, ("none",), "mkdir -p"),
    Case("export workers roster.csv", 1, ("roster.csv is there",), "--force"),
    # Search.
    Case("search ''", 1, ("nothing to search",), "lh search"),
    Case("search truck --in nope", 1, ("'nope'",), "workers"),
    Case("search truck -k 99999", 1, ("99999", "1,000"), "-k"),
    Case("search truck --where 'reliabilty > 0.5'", 1, ("reliabilty",), "reliability"),
    Case("search truck --where 'reliability >'", 1, ("reliability >",), "--where"),
    Case("search truck --where '1=1; DROP TABLE workers'", 1, ("condition",), "--where"),
    Case("search truck --column nope", 1, ("'nope'",), "worker_id"),
    Case("search city:Gary", 1, ("no words to rank by",), "welder city:Gary"),
    Case("search truck --mode fuzzy", 1, ("'fuzzy'",), "hybrid, vector, text"),
    Case("search 'truck near:Jolliet,30mi'", 1, ("'Jolliet'",), "Joliet"),
    Case("search 'truck role:welder'", 1, ("workers has no column role",), "worker_id"),
    Case("search truck --in numbers", 1, ("no text column",), "worker_id, n"),
    Case("search truck --in nobody", 1, ("nobody has no id column",), "…_id"),
    Case("search truck --lake nowhere", 1, ("'workers'",), "lh demo"),
    Case("index nope", 1, ("'nope'",), "lh ls"),
    Case("index numbers", 1, ("no text column",), "worker_id, n"),
    Case("why 2", 2, ("query",), "lh why --help"),
    Case("why 99 truck", 1, ("workers has no row '99'",), "lh sql"),
    Case("why ann truck", 1, ("workers has no row 'ann'",), "lh sql"),
    Case("why 2 ''", 1, ("nothing to search",), "lh search"),
    Case("why 2 truck --in nope", 1, ("'nope'",), "workers"),
    Case("why 2 truck --where 'reliabilty > 0.5'", 1, ("reliabilty",), "reliability"),
    Case("embed", 2, ("text",), "lh embed --help"),
    Case("embed ''", 1, ("Text 1 of 1 is empty",), "Leave empty texts out"),
    Case("embed truck --side left", 1, ("'left'",), "--side query"),
    # Evaluation.
    Case("eval --split half", 1, ("'half'",), "--split tune, test or all"),
    Case("eval -k 0", 2, ("-k",), "lh eval --help"),
    Case("eval lables.jsonl", 1, ("'lables.jsonl'",), "labels.jsonl"),
    Case("eval folder", 1, ("folder is a folder",), "lh eval FILE.jsonl"),
    Case("eval noise.csv", 1, ("noise.csv is not UTF-8",), "iconv"),
    Case("eval empty.csv", 1, ("no labelled query",), '"relevant"'),
    Case("eval torn.jsonl", 1, ("torn.jsonl, line 2", "JSON"), '"relevant"'),
    Case("eval labels.jsonl", 1, ("the split test", "given: 1"), "--split all"),
    Case("eval labels.jsonl --split tune", 1, ("'t1'", "shft"), "worker_id"),
    Case("eval far.jsonl --choose", 1, ("split tune", "no weights"), '"relevant"'),
    Case("eval labels.jsonl --split tune --in nope", 1, ("'nope'",), "workers"),
    Case("demo", 1, ("holds n",), "lh demo --lake"),
    Case("demo --workers 0 --lake made", 1, ("0 workers",), "--workers 20000"),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: some files, good and bad, and a lake with two versions of a roster."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "roster.csv").write_text(ROSTER)
    (folder / "newer.csv").write_text(ROSTER.replace("Gary", "Elgin"))
    (folder / "drift.csv").write_text("\n".join(f"{line},{'shift' if i == 0 else 'night'}" for i, line in
                                                enumerate(ROSTER.splitlines())))  # fmt: skip
    (folder / "folder").mkdir()
    (folder / "empty.csv").touch()
    noise = bytes(range(256)) * 12
    for name in ("noise.csv", "noise.parquet"):
        (folder / name).write_bytes(noise)
    (folder / "broken.json").write_text('{"a":')
    line = '{"id": "t1", "class": "title", "query": "truck", "split": "tune", "relevant": "shft = 1"}\n'
    (folder / "labels.jsonl").write_text(line)
    (folder / "torn.jsonl").write_text(f"{line}not JSON\n")
    (folder / "far.jsonl").write_text('{"id": "far", "class": "far", "query": "bread", "split": "tune"}\n')
    (folder / "numbers.csv").write_text("worker_id,n\n1,2\n2,3\n")
    (folder / "nobody.csv").write_text("city,note\nGary,hello there\n")
    with workbench.connect(folder / "lake", environ=os.environ) as wb:
        wb.ingest(folder / "roster.csv", "workers")
        wb.ingest(folder / "newer.csv", "workers", mode="replace")
        wb.ingest(folder / "roster.csv", "other")
        wb.ingest(folder / "numbers.csv", "numbers")
        wb.ingest(folder / "nobody.csv", "nobody")
    return folder


@pytest.fixture
def here(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user sits in that folder, with that lake."""
    monkeypatch.chdir(desk)
    monkeypatch.setenv("LH_LAKE", str(desk / "lake"))
    monkeypatch.setenv("COLUMNS", "100")
    return desk


def told(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command line in this process; its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.line)
def test_a_mistake_is_told_in_plain_words(case: Case, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(case.line, capsys)
    message, _, hint = err.partition("✗ ")[2].partition("\n")
    if case.hint in message:  # a message that ends with the place has it in its own line
        hint = message
    assert code == case.code
    assert all(word in message for word in case.words), message
    assert case.hint in hint, hint
    assert message.strip() == message
    assert not INSIDE.search(err), err
    assert not [secret for secret in SECRETS if secret in err]
    assert out == "" or "--json" in case.line


@pytest.mark.parametrize(
    "line", ["describe nope", "sql 'SELECT nope FROM workers'", "diff workers@8 workers", "ls --x"]
)
def test_with_json_an_error_is_json_on_stdout(line: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(f"{line} --json", capsys)
    problem = json.loads(out)["error"]
    assert code in {1, 2}
    assert {"code", "message", "hint"} <= set(problem)
    assert problem["message"].splitlines()[0] in err


def test_after_every_mistake_the_lake_is_as_it_was(here: Path) -> None:
    with workbench.connect() as wb:
        assert [(m.name, m.version, m.row_count) for m in wb.datasets()] == [
            ("nobody", 1, 1), ("numbers", 1, 2), ("other", 1, 3), ("workers", 2, 3),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "word"),
    [("lake = [", "is not TOML"), ("lak = 'x'", "'lak'"), ("row_cap = 'many'", "'many'")],
)
def test_a_broken_config_file_is_named(
    text: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lakehouse.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    code, _, err = told("ls", capsys)
    assert code == 2
    assert word in err
    assert "lakehouse.toml" in err


@pytest.mark.parametrize("named", [False, True])
def test_a_config_file_that_cannot_be_read_is_named(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "elsewhere" if named else tmp_path
    (folder / "lakehouse.toml").mkdir(parents=True)  # reading it fails for every user, root too
    if named:
        monkeypatch.setenv("LH_CONFIG", str(folder / "lakehouse.toml"))
    monkeypatch.chdir(tmp_path)
    code, _, err = told("ls", capsys)
    assert code == 2
    assert "lakehouse.toml cannot be read: Is a directory" in err
    assert "ls -ld" in err


def test_a_lake_that_may_not_be_written_is_named_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "roster.csv").write_text(ROSTER)
    monkeypatch.chdir(tmp_path)
    code, _, err = told("ingest roster.csv --lake /proc/no-lake", capsys)
    assert code == 1
    assert "/proc/no-lake" in err.partition("✗ ")[2]
    assert not INSIDE.search(err)


@pytest.mark.s3
@pytest.mark.parametrize("line", ["ls", "ingest roster.csv", "sql 'SELECT * FROM roster'"])
def test_a_lake_on_a_dead_server_is_told_alike_by_every_command(
    line: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"ENDPOINT_URL": "http://ann:hunter2@127.0.0.1:9", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    code, _, err = told(f"{line} --lake s3://bucket/lake", capsys)
    message, _, hint = err.partition("✗ ")[2].partition("\n")
    assert code == 1
    assert message == "http://127.0.0.1:9 does not answer, so s3://bucket/lake cannot be reached."
    assert "AWS_ENDPOINT_URL" in hint
    assert "hunter2" not in err
    assert not INSIDE.search(err)


@pytest.mark.s3
def test_a_bucket_that_does_not_answer_is_named_and_no_secret_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    code, _, err = told("ls --lake s3://bucket/lake", capsys)
    assert code == 1
    assert "s3://bucket/lake" in err.partition("✗ ")[2]
    assert "lh doctor" in err
    assert "hunter2" not in err
    assert not INSIDE.search(err)
