"""The command line as its user meets it: what is printed where, in which width, and how it ends."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase

import duckdb
import pytest
import typer

import workbench
from workbench.cli import grid, show
from workbench.cli.app import COMMANDS, app
from workbench.cli.entry import main
from workbench.lake.tables.manifest import Column

LH = Path(sys.executable).with_name("lh")
LONG_QUERY = "SELECT count(*) FROM range(10000000000) t(a), range(100) u(b) WHERE a % 7 = b"
DEADLINE_S = 60
PRESS_AGAIN_S = 3
FIRST = ("Ann", "Bo", "Cy", "Dora", "Eve", "Fay", "Gus", "Hal", "Ida", "Jon")
LAST = ("Lee", "Cruz", "Oh", "Kim", "Diaz", "Shaw")
ROSTER = "worker_id,name,city,zip,phone,pay,bill\n" + "".join(
    f"{i},{FIRST[i % 10]} {LAST[i % 6]},{'Joliet' if i % 3 else 'Gary'},"
    f"0600{i % 10},815-555-01{i:02},£{i}.50,£{i + 9}.75\n"
    for i in range(60)
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a roster of 60 workers and a lake of its own that is still empty."""
    (tmp_path / "roster.csv").write_text(ROSTER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture
def lh(desk: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process; its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The roster ingested twice: version 2 has one row more and one row changed. Tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "roster.csv").write_text(ROSTER)
    text = (
        ROSTER.replace("1,Bo Cruz,Joliet", "1,Bo Cruz,Elgin", 1) + "99,Bo Cruz,Gary,46402,815-555-0199,£9.00,£19.00\n"
    )
    (folder / "newer.csv").write_text(text)
    with workbench.connect(folder / "lake") as wb:
        wb.ingest(folder / "roster.csv", "workers")
        wb.ingest(folder / "newer.csv", "workers", mode="replace")
    return folder


@pytest.fixture
def workers(made: Path, desk: Path) -> Path:
    """The desk with that lake."""
    shutil.copytree(made, desk, dirs_exist_ok=True)
    return desk


def shell(command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a real shell where `lh` is on the path."""
    path = f"{LH.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env=os.environ | {"PATH": path} | environ, capture_output=True,
        text=True, encoding="utf-8", errors="replace", timeout=DEADLINE_S, check=False,
    )  # fmt: skip


def on_terminal(*words: str, columns: int = 80, stop_at: str = "", **environ: str) -> tuple[int, str]:
    """Run `lh` on a terminal of that width; Ctrl-C once ``stop_at`` is on the screen. Exit code and what was seen."""
    child, screen = pty.fork()
    if child == 0:
        clean = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
        # A test run in the background is deaf to Ctrl-C, and what it starts inherits that; a person's terminal is not.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(LH, ["lh", *words], clean | {"TERM": "xterm-256color"} | environ)
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen, pressed, deadline = b"", 0.0, time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        # Again after a while, as people do: a press while a library is being imported can be lost in it.
        if stop_at and stop_at.encode() in seen and time.monotonic() - pressed > PRESS_AGAIN_S:
            os.write(screen, b"\x03")
            pressed = time.monotonic()
        if not select.select([screen], [], [], 0.05)[0]:
            continue
        try:
            got = os.read(screen, 1 << 16)
        except OSError:  # the terminal is closed: the process has ended
            got = b""
        if not got:
            break
        seen += got
    else:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(screen)
    return code, seen.decode()


# -- help and start -------------------------------------------------------------------------------------------------


def test_the_list_of_commands_says_what_the_commands_say(lh) -> None:
    code, listed, _ = lh("--help")
    assert code == 0
    for name, (_, line) in COMMANDS.items():
        assert lh(name, "--help")[0] == 0
        assert f" {name} " in listed
        assert line.split()[0] in listed
    group = typer.main.get_command(app)
    said = {
        name: " ".join((command.help or "").partition("\n\n")[0].split()) for name, command in group.commands.items()
    }
    assert said == {name: line for name, (_, line) in COMMANDS.items()}


def test_lh_alone_shows_help_and_version_is_told(lh) -> None:
    assert lh()[:2] == lh("--help")[:2]
    assert lh("--version")[1].strip() == f"lh {workbench.__version__}"


def test_help_and_lists_load_no_engine_they_do_not_use() -> None:
    assert loaded_by("--help") == "[]"
    assert "duckdb" not in loaded_by("ls", "--json", "--lake", "nowhere")
    assert "searcher" not in loaded_by("sql", "SELECT 1")


def loaded_by(*words: str) -> str:
    """Which of our heavy parts a command line has loaded when it ends."""
    heavy = ("duckdb", "numpy", "pyarrow", "workbench.search.searcher", "workbench.staffing")
    script = (
        f"import sys; from workbench.cli import entry\ntry: entry.main({list(words)})\nexcept SystemExit: pass\n"
        f"print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


# -- answers on stdout, the rest on stderr ----------------------------------------------------------------------------


def test_an_empty_lake_says_how_to_begin(lh) -> None:
    code, out, err = lh("ls")
    assert code == 0
    assert out == "No datasets yet — lh demo, or lh ingest FILE\n"
    assert "not there yet" in err


@pytest.mark.parametrize(
    "line",
    [
        "ls", "describe workers", "profile workers", "snapshots workers", "diff workers@1 workers@2", "rejects workers",
        "config", "search joliet -k 2", "why 1 joliet", "index workers", "ingest roster.csv --name workers --dry-run",
        "sql 'SELECT name, phone FROM workers'",
    ],
)  # fmt: skip
def test_every_list_has_json_with_personal_data_masked_and_names_its_lake(line: str, workers: Path, lh) -> None:
    code, out, err = lh(*shlex.split(line), "--json")
    assert code == 0
    json.loads(out)
    assert "Bo Cruz" not in out
    assert "555-01" not in out
    assert err.splitlines()[0] == f"lake {workers / 'lake'} (LH_LAKE)"


def test_the_lake_comes_from_the_option_then_the_environment_then_the_file(workers: Path, lh, monkeypatch) -> None:
    assert lh("ls", "--lake", "other")[2].startswith(f"lake {workers / 'other'} (--lake; not there yet")
    assert "(LH_LAKE)" in lh("ls")[2]
    monkeypatch.delenv("LH_LAKE")
    (workers / "lakehouse.toml").write_text("lake = 'lake'\n")
    _, out, err = lh("ls")
    assert "lakehouse.toml" in err
    assert "workers" in out


def test_an_ingest_says_what_it_did_in_one_line_and_groups_what_it_found(lh) -> None:
    code, out, _ = lh("ingest", "roster.csv", "--name", "workers")
    first, *rest = out.splitlines()
    assert code == 0
    assert first.startswith("workers  v1  60 rows × 7 columns  ")
    assert "0 rejected  PII: name phone  sha256 " in first
    assert [line for line in rest if "£" in line] == ["  · pay, bill: amounts in £"]
    assert "already ingested as v1 on " in lh("ingest", "roster.csv", "--name", "workers")[1]


def test_a_file_from_windows_keeps_its_rows(desk: Path, lh) -> None:
    (desk / "roster.csv").write_bytes(ROSTER.replace("\n", "\r\n").encode())
    assert "60 rows × 7 columns" in lh("ingest", "roster.csv", "--name", "workers")[1]


def test_findings_of_many_columns_are_one_line_each() -> None:
    columns = [Column(f"c{i}", "double") for i in range(12)]
    said = show.grouped([f"c{i}: amounts in £" for i in range(12)] + ["c1: odd", "x: y", "line ends are \\r"], columns)
    assert said == [
        "c0, c1, c2, c3, c4, c5, c6, c7 and 4 more columns: amounts in £", "c1: odd", "x: y", "line ends are \\r",
    ]  # fmt: skip


def test_the_three_ways_out_of_drift_are_commands_that_run(workers: Path, lh) -> None:
    lines = (workers / "newer.csv").read_text().replace("zip,", "zip_code,").splitlines()
    (workers / "new er.csv").write_text("\n".join(lines) + "\n100,Cy Oh,Gary,46402,815-555-0100,£1.00,£2.00\n")
    code, _, err = lh("ingest", "new er.csv", "--name", "workers")
    commands = [line[line.index("lh ingest") :] for line in err.splitlines() if "lh ingest" in line]
    assert code == 1
    assert len(commands) == 3
    for command in commands:
        done = shell(f"cp -r lake copy && {command}; code=$?; rm -rf copy; exit $code", LH_LAKE=str(workers / "copy"))
        assert done.returncode == 0, done.stderr
        assert "62 rows" in done.stdout


def test_an_upsert_shows_its_plan_before_it_is_done(workers: Path, lh) -> None:
    _, out, _ = lh("ingest", "roster.csv", "--name", "workers", "--key", "worker_id", "--dry-run")
    assert "dry run" in out
    assert "0 inserted, 1 updated, 59 same" in out
    assert len(json.loads(lh("snapshots", "workers", "--json")[1])) == 2


def test_rejects_are_written_mended_and_replayed(desk: Path, lh) -> None:
    (desk / "bad.csv").write_text("worker_id,pay\n1,2.5\n2,3.5,surplus\n3,4.5\n")
    assert "1 rejected" in lh("ingest", "bad.csv", "--name", "pay")[1]
    listed = json.loads(lh("rejects", "pay", "--json")[1])
    assert [(row["snapshot"], row["line"]) for row in listed] == [(1, 3)]
    assert lh("rejects", "pay", "--out", "fix.csv")[0] == 0
    (desk / "fix.csv").write_text((desk / "fix.csv").read_text().replace(",surplus", ""))
    assert lh("rejects", "pay", "--replay", "fix.csv")[0] == 0
    assert "3\n" in lh("sql", "SELECT count(*) AS n FROM pay", "--csv")[1]


def test_a_diff_shows_only_the_columns_that_changed(workers: Path, lh) -> None:
    _, out, _ = lh("diff", "workers@1", "workers@2")
    assert "+ 1 added   - 0 removed   ~ 1 changed" in out
    header = next(line for line in out.splitlines() if line.startswith("worker_id"))
    assert header.split("  ") == ["worker_id", "city (old)", "city (new)"]


def test_upkeep_tells_what_it_did(workers: Path, lh) -> None:
    assert "one file already" in lh("compact", "workers")[1]
    assert lh("restore", "workers@1", "-m", "back")[1] == "workers  v3  60 rows, as in workers@1\n"
    assert "back" in lh("snapshots", "workers")[1]
    assert "freed" in lh("expire", "workers", "--keep", "1")[1]
    assert lh("export", "workers", "out.csv")[0] == 0
    assert "Bo Cruz" not in (workers / "out.csv").read_text()
    assert "60 rows, 20 different texts: 20 embedded now" in lh("index", "workers")[1]


def test_sql_reads_parameters_stdin_and_older_snapshots(workers: Path, lh) -> None:
    query = "SELECT city, count(*) AS n FROM workers@1 WHERE city = $city GROUP BY 1"
    code, out, err = lh("sql", query, "--param", "city=Gary", "--csv")
    assert (code, out) == (0, "city,n\nGary,20\n")
    assert "1 row · workers@1 · " in err
    done = shell("echo 'SELECT count(*) AS n FROM workers' | lh sql - --csv")
    assert done.stdout == "n\n61\n"
    assert "there are more: --limit 50" in lh("sql", "SELECT * FROM workers", "--limit", "5")[2]


def test_a_search_without_matches_says_so(workers: Path, lh) -> None:
    code, out, err = lh("search", "truck", "--in", "workers", "--where", "city = 'Nowhere'")
    assert (code, out) == (0, "")
    assert "No row is left after: city = 'Nowhere'" in err


# -- tables -----------------------------------------------------------------------------------------------------------


def drawn(shown: grid.Grid, width: int | None) -> tuple[list[str], grid.Cut]:
    from rich.console import Console

    text = io.StringIO()
    cut = grid.draw(shown, Console(file=text, width=width or 80), width)
    return [line.rstrip() for line in text.getvalue().splitlines()], cut


def test_as_many_columns_as_fit_are_shown_and_the_rest_is_counted(lh) -> None:
    shown = grid.grid(
        [f"c{i:02}" for i in range(40)], [[i * 7 for i in range(40)]] * 3, [f"c{i:02}" for i in range(40)]
    )
    lines, cut = drawn(shown, 80)
    assert max(map(len, lines)) <= 80
    assert cut == grid.Cut(columns=24)
    assert lines[1].split() == [str(i * 7) for i in range(16)]
    assert drawn(shown, 160)[1].columns < cut.columns
    assert drawn(shown, None)[1] == grid.Cut()


def test_a_wide_answer_says_how_to_see_all_of_it(lh, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = ", ".join(f"{i} AS c{i:02}" for i in range(40))
    _, _, err = lh("sql", f"SELECT {columns}, repeat('x', 500) AS t FROM range(2)")
    assert "16 of 41 columns fit here: --json or --csv shows all" in err
    _, out, err = lh("sql", "SELECT repeat('x', 5000) AS t, 1 AS n FROM range(2)")
    assert max(map(len, out.splitlines())) <= 80
    assert "2 long cells cut: --json or --csv shows all" in err


def test_one_wide_row_is_shown_as_a_record(lh, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    columns = ", ".join(f"'value {i}' AS column_{i:02}" for i in range(20))
    _, out, _ = lh("sql", f"SELECT {columns}")
    assert [line.split()[0] for line in out.splitlines()] == ["column", *(f"column_{i:02}" for i in range(20))]


def test_a_list_of_ours_goes_on_below(workers: Path, lh, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = lh("profile", "workers")
    heads = [line for line in out.splitlines() if line.startswith("column")]
    assert len(heads) > 1
    assert {"nulls", "distinct", "least", "greatest", "mean"} <= set(" ".join(heads).split())


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("NULL", "NULL"), ("true", "true"), ("1234567", "1234567"), ("1e-9", "1e-09"), ("0.1 + 0.2", "0.3"),
        ("'nan'::DOUBLE", "NaN"), ("1.50::DECIMAL(5,2)", "1.50"), ("DATE '2026-01-02'", "2026-01-02"),
        ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02 03:04:05"), ("[1, 2]", "[1, 2]"), ("{'a': 'é'}", '{"a": "é"}'),
        ("INTERVAL 3 DAYS", "3 days"), ("INTERVAL '1 hour'", "1:00:00"), ("'a' || chr(27) || '[31mred'", "a�[31mred"),
        ("'a' || chr(10) || 'b'", "a b"), ("'ab'::BLOB", "base64:YWI="),
    ],
)  # fmt: skip
def test_a_value_is_one_line_of_plain_text(sql: str, text: str, lh) -> None:
    assert lh("sql", f"SELECT {sql} AS v")[1].splitlines()[1].strip() == text


def test_the_numbers_of_a_column_stand_under_each_other(lh) -> None:
    _, out, _ = lh("sql", "SELECT unnest([1.5, 22.25, 333]) AS n, unnest([1e-5, 1e0, 2e0]) AS small")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["1.50", "22.25", "333.00"]
    assert [len(line[: line.index(".")]) for line in out.splitlines()[1:]] == [3, 3, 3]
    assert "1e-05" in out


def test_an_answer_without_rows_keeps_its_header(lh) -> None:
    _, out, err = lh("sql", "SELECT 1 AS n WHERE false")
    assert out.strip() == "n"
    assert "0 rows · " in err


# -- processes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["", "--csv", "--json"])
def test_a_reader_that_leaves_is_no_error(form: str, desk: Path) -> None:
    done = shell(f"lh sql 'SELECT * FROM range(100000)' --limit 100000 {form} | head -1")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    assert not [line for line in done.stderr.splitlines() if not line.startswith(("lake ", "100,000 rows"))]


def test_a_pipe_is_neither_cut_nor_coloured(workers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    done = shell("lh sql 'SELECT *, repeat(city, 20) AS long FROM workers' | cat")
    assert "\x1b" not in done.stdout + done.stderr
    assert "Joliet" * 20 in done.stdout


def test_exit_codes_are_those_of_the_process(workers: Path) -> None:
    done = shell(
        "lh ls >/dev/null; a=$?; lh describe nope; b=$?; lh ls --nope; c=$?; lh ls --lake ''; echo $a $b $c $?"
    )
    assert done.stdout == "0 1 2 2\n"
    assert "Traceback" not in done.stderr


def test_a_terminal_without_unicode_gets_every_answer(workers: Path) -> None:
    done = shell("lh ingest roster.csv --name again && lh sql \"SELECT 'é→☃' AS x\"", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "60 rows x 7 columns" in done.stdout
    assert "?->?" in done.stdout
    done = shell("lh sql \"SELECT 'é→☃' AS x\" --json", PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["rows"] == [["é→☃"]]
    done = shell("lh sql \"SELECT 'é→☃' AS x\" --csv", PYTHONIOENCODING="latin-1")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["x"], ["é→☃"]]


def test_an_error_that_nobody_foresaw_is_one_line_and_traced_on_request(desk: Path) -> None:
    (desk / "deep.py").write_text(
        "from workbench.cli import app, entry\n"
        "@app.app.command()\ndef ls() -> None:\n    raise KeyError('the cat of 815-555-0134')\n"
        "app.COMMANDS['ls'] = ('app', '')\nentry.main(['ls'])\n"
    )
    done = shell(f"{sys.executable} deep.py")
    assert done.returncode == 1
    assert "KeyError: 'the cat of " in done.stderr
    assert "0134" not in done.stderr
    assert "LH_DEBUG=1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in shell(f"{sys.executable} deep.py", LH_DEBUG="1").stderr


def test_a_full_disk_is_told_and_leaves_no_dataset(desk: Path) -> None:
    (desk / "big.csv").write_text("a,b\n" + "".join(f"{i},{hash(str(i))}\n" for i in range(50_000)))
    done = shell("ulimit -f 100; lh ingest big.csv --name big")
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert shell("lh ls").stdout.startswith("No datasets yet")


def test_a_terminal_shows_colour_unless_told_not_to(workers: Path) -> None:
    code, seen = on_terminal("ls")
    assert code == 0
    assert "\x1b[2mlake " in seen
    plain = on_terminal("ls", NO_COLOR="1")[1]
    assert "\x1b[2mlake " not in plain
    assert "\x1b[3" not in plain


@pytest.mark.parametrize("columns", [30, 80, 160])
def test_no_line_of_a_table_is_wider_than_the_terminal(columns: int, workers: Path) -> None:
    query = "SELECT *, repeat('wide ', 50) AS w FROM workers LIMIT 3"
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", on_terminal("sql", query, columns=columns)[1])
    table = [line.rstrip() for line in seen.splitlines() if line.lstrip().startswith(("worker_id", "0 ", "1 ", "2 "))]
    assert len(table) == 4
    assert max(map(len, table)) <= columns


def test_long_work_shows_a_bar_with_the_time_left_and_ctrl_c_stops_it(workers: Path) -> None:
    code, seen = on_terminal("sql", LONG_QUERY, stop_at="left")
    assert code == 130
    assert re.search(r"\d:\d\d:\d\d.* left .*(\d|-):(\d\d|--):(\d\d|--)", seen)
    assert "stopped; what was not finished is not in the lake" in seen
    assert "Traceback" not in seen


@pytest.mark.parametrize("stage", ["lake "])
def test_ctrl_c_during_an_ingest_leaves_the_lake_whole(stage: str, desk: Path) -> None:
    with (desk / "big.csv").open("w") as file:
        file.write("worker_id,name,note\n")
        file.writelines(f"{i},Ann Lee {i},some words about the worker {i}\n" for i in range(1_000_000))
    code, seen = on_terminal("ingest", "big.csv", stop_at=stage)
    assert code == 130, seen
    assert "stopped" in seen
    assert "Traceback" not in seen
    assert shell("lh ls").stdout.startswith("No datasets yet")
    assert shell("lh doctor --json").returncode == 0


def test_ctrl_c_during_an_index_keeps_what_is_done_and_the_next_run_goes_on(desk: Path) -> None:
    with (desk / "big.csv").open("w") as file:
        file.write("worker_id,note\n")
        # Few words in many texts: to take words apart that are all new would be most of the work.
        two = [first + second for first in ascii_lowercase for second in ascii_lowercase]
        file.writelines(
            f"{i},some words about the worker {two[i % 676]} and more of {two[i // 676]}\n" for i in range(60_000)
        )
    assert shell("lh ingest big.csv --name workers").returncode == 0
    code, seen = on_terminal("index", "workers", stop_at="embed ")
    assert code == 130, seen
    assert "what was embedded is kept; to go on: lh index workers" in seen
    assert "Traceback" not in seen
    done = json.loads(shell("lh index workers --json").stdout)["corpus"]
    assert done["reused"] > 0
    assert done["embedded"] + done["reused"] == done["unique"] == 60_000


def test_a_map_is_shown_as_one_and_what_is_nested_as_json() -> None:
    held = {"MAP {'k': 1, 'l': NULL}": "{k: 1, l: null}", "[{'a': 'x', 'b': MAP {1: DATE '2026-01-05'}}]":
            '[{"a": "x", "b": {1: "2026-01-05"}}]', "[1.5e0, NULL]": "[1.5, null]"}  # fmt: skip
    for sql, said in held.items():
        value = duckdb.sql(f"SELECT {sql} AS v").to_arrow_table().column(0)[0].as_py()
        assert grid.cell(value) == said
