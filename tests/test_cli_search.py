"""Search at the command line: what a person is shown, what a program gets, and that both are what Python says."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import workbench
from workbench.cli import reasons
from workbench.cli.entry import main
from workbench.cli.search import Build
from workbench.errors import QueryError
from workbench.search.lexical.question import ask
from workbench.search.ranking.fusion import Part
from workbench.search.ranking.hits import Hit
from workbench.search.ranking.tuning import Chosen, load_weights, save_weights
from workbench.staffing import write_csvs

LH = Path(sys.executable).with_name("lh")
WORKERS = 400
SUM = re.compile(r"(?:words|meaning|trade) (\d\.\d\d)")
TRADES = {
    "welder": "Welder", "registered nurse": "Registered Nurse", "electrician": "Electrician", "picker": "Picker",
    "forklift": "Forklift Operator", "packer": "Packer", "line cook": "Line Cook", "cnc operator": "CNC Operator",
}  # fmt: skip

HAS_CITY = "city <> ''"
Lh = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with 400 made-up workers, indexed. Tests that write work on copies."""
    folder = tmp_path_factory.mktemp("made")
    write_csvs(folder / "csv", workers=WORKERS, seed=7)
    with workbench.connect(folder / "lake") as wb:
        wb.ingest(folder / "csv" / "workers.csv", "workers")
        wb.searcher.index("workers")
    return folder


@pytest.fixture
def lake(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that lake, which `lh` works on."""
    shutil.copytree(made / "lake", tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "lake"


@pytest.fixture
def lh(lake: Path, capsys: pytest.CaptureFixture[str]) -> Lh:
    """Run a command line in this process; its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def answer(lh: Lh, *words: str) -> dict[str, object]:
    """The JSON of a command line that must succeed."""
    code, out, err = lh(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert isinstance(found, dict)
    return found


def ids(found: dict[str, object]) -> list[object]:
    return [hit["id"] for hit in found["hits"]]  # type: ignore[attr-defined]


# -- lh search --------------------------------------------------------------------------------------------------------


def test_a_search_shows_rows_then_why_each_is_there_then_how_it_came_about(lh: Lh) -> None:
    code, out, err = lh("search", "forklift operator -nights", "--where", "availability > 0.2", "-k", "3")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:3] == ["score", "worker_id", "name"]
    scores = [float(line.split()[1]) for line in lines[1:4]]
    assert scores == sorted(scores, reverse=True)
    whys = [line for line in lines if re.match(r" *\d\. ", line)]
    assert [line.split(". ")[0].strip() for line in whys] == ["1", "2", "3"]
    for score, line in zip(scores, whys, strict=True):
        assert "has forklift" in line
        assert sum(map(float, SUM.findall(line))) == pytest.approx(score, abs=0.016)  # three rounded terms
    assert "→ 3 shown" in err
    assert "all from exact scan" in err
    assert "Industrial Truck and Tractor Operators (O*NET 53-7051)" in err


def test_the_funnel_counts_what_sql_counts(lh: Lh) -> None:
    where = "availability > 0.5"
    _, _, err = lh("search", "welder", "--where", where, "--city", "Chicago")
    counts = []
    for condition in (where, f"{where} AND city = 'Chicago'"):
        _, out, _ = lh("sql", f"SELECT count(*) AS n FROM workers WHERE {condition}", "--csv")
        counts.append(int(out.splitlines()[1]))
    assert f"{WORKERS} workers → {counts[0]} {where} → {counts[1]} in Chicago → " in err


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, lh: Lh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = lh("search", "reach truck operator who can lift", "-k", "12")
    assert columns // 2 < max(map(len, out.splitlines())) <= columns


def test_a_pipe_gets_whole_texts(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    done = subprocess.run([LH, "search", "welder", "-k", "2"], capture_output=True, text=True, check=True)
    with workbench.connect(lake) as wb:
        hits = wb.search("welder", k=2).hits
    assert all(hit.snippet in done.stdout for hit in hits)
    assert "\x1b" not in done.stdout + done.stderr


def test_json_is_what_python_says(lh: Lh, lake: Path) -> None:
    told = answer(lh, "search", "nurse city:Chicago -k", "--where", "availability > 0.1", "-k", "4")
    with workbench.connect(lake) as wb:
        python = wb.search("nurse city:Chicago -k", where="availability > 0.1", k=4).to_dict()
    for one in (told, python):
        del one["elapsed_s"]
        one.pop("search_id", None)  # each search has its own
    assert told == json.loads(json.dumps(python, default=str))


@pytest.mark.parametrize(
    ("options", "same"),
    [
        (["--city", "Chicago"], "welder city:Chicago"),
        (["--role", "fork truck driver"], "welder role:'fork truck driver'".replace("'", '"')),
        (["--exclude", "W-5", "--exclude", "7"], "welder -W-5 -W-7"),
    ],
)
def test_an_option_is_the_operator_of_that_name(options: list[str], same: str, lh: Lh) -> None:
    by_option = answer(lh, "search", "welder", *options, "-k", "20")
    by_query = answer(lh, "search", same, "-k", "20")
    everything = answer(lh, "search", "welder", "-k", "20")
    assert ids(by_option) == ids(by_query)
    assert by_option["matching"] == by_query["matching"] != everything["matching"]


@pytest.mark.parametrize(("mode", "part"), [("vector", "meaning"), ("text", "words")])
def test_a_mode_ranks_by_one_part_alone(mode: str, part: str, lh: Lh) -> None:
    _, out, err = lh("search", "welder", "--mode", mode, "-k", "2")
    assert all(set(SUM.findall(line)) for line in out.splitlines() if re.match(r" *\d\. ", line))
    assert set(re.findall(r"(words|meaning|trade) \d", out)) == {part}
    assert "score =" not in err


def test_what_was_not_understood_is_said_with_a_way_out(lh: Lh) -> None:
    _, _, err = lh("search", "welder rol:x", "-k", "1")
    assert "! Not understood and left out: rol:x. Did you mean role:?" in err


def test_an_answer_that_is_none_is_said_to_be_none(lh: Lh) -> None:
    _, out, err = lh("search", "sourdough bread recipe", "-k", "2")
    assert len([line for line in out.splitlines() if re.match(r" *\d\. ", line)]) == 2
    assert "! Nothing here is close to that query" in err
    assert "Nothing here" not in lh("search", "welder", "-k", "2")[2]


def test_the_condition_that_leaves_nobody_is_named(lh: Lh) -> None:
    code, out, err = lh("search", "welder", "--where", "availability > 0.1", "--city", "Atlantis")
    assert (code, out) == (0, "")
    assert "! No row is left after: in Atlantis" in err


def test_no_why_shows_the_table_alone(lh: Lh) -> None:
    _, out, err = lh("search", "welder", "-k", "2", "--no-why", "--column", "city")
    assert out.splitlines()[0].split() == ["score", "worker_id", "city"]
    assert len(out.splitlines()) == 3
    assert "score =" not in err


def test_rows_of_a_moment_ago_are_found_and_counted(lh: Lh, lake: Path, made: Path) -> None:
    with (made / "csv" / "workers.csv").open() as file:
        rows = list(csv.DictReader(file))
    news = [row | {"worker_id": str(900_000 + i), "role": "Lion Tamer"} for i, row in enumerate(rows[:3])]
    with (lake.parent / "news.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(news)
    assert lh("ingest", "news.csv", "--name", "workers")[0] == 0
    _, out, err = lh("search", "lion tamer", "-k", "3")
    assert {line.split()[2] for line in out.splitlines()[1:4]} == {"900000", "900001", "900002"}
    assert " · 3 new rows taken in · " in err
    assert "taken in" not in lh("search", "lion tamer", "-k", "3")[2]


def test_personal_data_is_masked_unless_asked(lh: Lh, lake: Path) -> None:
    with workbench.connect(lake) as wb:
        name = wb.search("welder", k=1, columns=["name"], show_pii=True).table["name"][0].as_py()
    row = str(answer(lh, "search", "welder", "-k", "1")["hits"][0]["id"])  # type: ignore[index]
    for words in (("search", "welder", "-k", "1"), ("why", row, "welder")):
        assert name not in lh(*words)[1]
        assert name in lh(*words, "--show-pii")[1]


# -- words ------------------------------------------------------------------------------------------------------------


def test_numbers_are_read_as_people_say_them() -> None:
    said = [reasons.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111, 1_003)]
    assert said == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th", "1,003rd"]


@pytest.mark.parametrize("room", [20, 40, 80, 400])
def test_a_text_is_cut_around_the_words_that_speak_for_it(room: int) -> None:
    text = "Forklift Operator. " + "loads and unloads trailers all day; " * 6 + "welding of frames. " + "tidy " * 9
    shown = reasons.cut(text, room, ("welding",))
    assert len(shown) <= room
    assert "welding" in shown
    assert f" {shown.strip('…')} " in f" {text} "


def test_a_row_without_a_reason_is_said_to_have_none() -> None:
    bare = Hit(1, 0.0, (Part("words", 0.0, 1.0),), ask(""))
    assert reasons.hit_lines(1, bare, 80) == ["  1. no shared word · nothing speaks for it"]


# -- lh why -----------------------------------------------------------------------------------------------------------


def test_a_row_that_is_there_is_said_to_be_there(lh: Lh) -> None:
    hits = ids(answer(lh, "search", "welder", "-k", "3"))
    code, out, _ = lh("why", f"W-{hits[1]}", "welder", "-k", "3")
    assert code == 0
    assert "It is there: 2nd with 0." in out
    assert "To bring it in" not in out


@pytest.mark.parametrize(
    ("query", "options", "left"),
    [
        ("forklift operator city:Atlantis", [], []),
        ("forklift operator", ["--city", "Atlantis"], []),
        ("forklift operator", ["--role", "welder"], []),
        ("forklift operator", ["--exclude", "{row}"], []),
        ("forklift operator", ["--where", f"availability > 2 AND {HAS_CITY}"], ["--where", HAS_CITY]),
    ],
    ids=["city:", "--city", "--role", "--exclude", "--where"],
)  # fmt: skip
def test_the_change_that_is_named_brings_the_row_in(query: str, options: list[str], left: list[str], lh: Lh) -> None:
    row = str(ids(answer(lh, "search", "forklift operator", "-k", "1"))[0])
    options = [option.format(row=row) for option in options]
    code, out, _ = lh("why", row, query, *options)
    assert code == 0
    assert "Dropped by: " in out
    named = out.partition("To bring it in: leave out ")[2].splitlines()[0].rstrip(".")
    assert named in {"city:Atlantis", "--city Atlantis", "--role welder", f"--exclude {row}", "availability > 2"}
    dropped = answer(lh, "why", row, query, *options)
    assert dropped["found"] is False
    assert answer(lh, "why", row, "forklift operator", *left)["found"] is True


def test_a_dropped_row_is_told_with_what_it_has_instead(lh: Lh, lake: Path) -> None:
    with workbench.connect(lake) as wb:
        found = wb.search("forklift operator", k=1)
        own = found.table.select(["city", "role"]).to_pylist()[0]
    row = str(found.hits[0].id)
    assert f"in Atlantis (city is {own['city']}, state is " in lh("why", row, "forklift", "--city", "Atlantis")[1]
    assert f"(role is {own['role']})" in lh("why", row, "forklift", "--role", "welder")[1]
    assert "(availability is " in lh("why", row, "forklift", "--where", "availability > 2")[1]


def test_a_row_further_down_is_told_with_the_k_that_shows_it(lh: Lh) -> None:
    hits = ids(answer(lh, "search", "welder", "-k", "40"))
    _, out, _ = lh("why", str(hits[36]), "welder", "-k", "5")
    assert "It is 37th with 0." in out
    assert "To bring it in: ask for more: -k 37." in out
    assert ids(answer(lh, "search", "welder", "-k", "37"))[-1] == hits[36]


# -- lh index ---------------------------------------------------------------------------------------------------------


def test_an_index_says_what_it_did_and_has_nothing_to_do_twice(lh: Lh, lake: Path) -> None:
    shutil.rmtree(lake / "_vectors")
    first = answer(lh, "index", "workers")["corpus"]
    assert (first["rows"], first["embedded"], first["reused"]) == (WORKERS, first["unique"], 0)  # type: ignore[index]
    assert f"{WORKERS} rows, {WORKERS} different texts: 0 embedded now, {WORKERS} known" in lh("index")[1]


def test_a_long_build_is_announced_and_a_short_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    for texts in (1_000, 500_000):
        with ExitStack() as stack:
            build = Build(stack, 256)
            for done in (0, texts // 2, texts):
                build(done, texts)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert re.fullmatch(r"building the graph of 500,000 texts: about \d+ (s|min) and \d+\.\d MB of memory", said[0])


# -- lh embed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["query", "document"])
def test_vectors_are_those_of_python_to_the_last_bit(side: str, lh: Lh, lake: Path) -> None:
    texts = ["forklift operator", "r.n. – nights"]
    code, out, _ = lh("embed", *texts, "--side", side)
    told = json.loads(out)
    with workbench.connect(lake) as wb:
        vectors = wb.embed(texts, side=side)  # type: ignore[arg-type]
        assert (told["model"], told["dimension"], told["side"]) == (wb.embedder.name, vectors.shape[1], side)
    assert code == 0
    assert (vectors == vectors.dtype.type(told["vectors"])).all()


def test_texts_are_read_from_stdin_one_a_line(lh: Lh) -> None:
    done = subprocess.run([LH, "embed", "-"], input="a welder\nnurse\n", capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(lh("embed", "a welder", "nurse")[1])


# -- lh eval ----------------------------------------------------------------------------------------------------------


def labels(folder: Path, *, split: str = "tune") -> Path:
    """Sixteen labelled queries over the trades, and one that nothing is right for."""
    entries = [
        {"id": f"{i}{form[:1]}", "class": "title", "query": form.format(said), "split": split,
         "relevant": f"role = '{role}'"}
        for i, (said, role) in enumerate(TRADES.items()) for form in ("need a {}", "{} wanted")
    ]  # fmt: skip
    entries.append({"id": "far", "class": "out of domain", "query": "sourdough bread recipe", "split": split})
    path = folder / f"{split}.jsonl"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return path


def test_an_evaluation_is_a_table_with_intervals_and_a_verdict(lh: Lh, lake: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = lh("eval", str(labels(lake.parent, split="test")))
    assert code == 0
    assert out.splitlines()[0].split() == ["class", "system", "n", "nDCG@10", "recall@10", "MRR@10"]
    assert max(map(len, out.splitlines())) <= 80
    first = re.search(r"all in domain +hybrid +(\d+) +(0|1)\.\d\d (0|1)\.\d\d–(0|1)\.\d\d", out)
    assert first is not None
    assert int(first[1]) > 0
    assert 'says "nothing is close"' in out
    assert "On no class is hybrid behind the better of its arms by more than noise." in out
    assert "workers · split test · hybrid: meaning 1," in err


def test_an_evaluation_as_json_has_every_query(lh: Lh, lake: Path) -> None:
    told = answer(lh, "eval", str(labels(lake.parent, split="test")), "-k", "5")
    assert (told["dataset"], told["split"], told["k"], told["behind"]) == ("workers", "test", 5, [])
    asked = {(score["system"], score["id"]) for score in told["scores"]}  # type: ignore[attr-defined]
    assert {system for system, _ in asked} == {"hybrid", "vector", "text"}
    assert ("hybrid", "far") in asked


def test_weights_that_are_bad_are_found_out_and_replaced(lh: Lh, lake: Path) -> None:
    cache, path = lake / "_vectors", str(labels(lake.parent))
    noise = Chosen(0.0, 0.0, 1.0, 2.0, 1, 0.0, 0.0, "")  # of "need a picker" the trade alone says little
    save_weights(cache, "workers", noise)
    before = answer(lh, "eval", path, "--split", "tune")
    code, out, _ = lh("eval", path, "--split", "tune", "--choose")
    after = answer(lh, "eval", path, "--split", "tune")
    kept = load_weights(cache, "workers")
    means = [
        next(row["ndcg"]["mean"] for row in report["rows"] if row["system"] == "hybrid")  # type: ignore[attr-defined]
        for report in (before, after)
    ]
    assert code == 0
    assert kept is not None
    assert means[0] < means[1]
    assert out.startswith("Kept: meaning 1, words ")
    assert kept.weights != noise.weights


def test_weights_that_are_good_stay(lh: Lh, lake: Path) -> None:
    told = answer(lh, "eval", str(labels(lake.parent)), "--split", "tune", "--choose")
    choice = told["choice"]
    assert choice["kept"] is False  # type: ignore[index]
    assert choice["says"].startswith("Nothing changed: ")  # type: ignore[index]
    assert load_weights(lake / "_vectors", "workers") is None


def test_a_column_of_where_that_is_not_there_is_pointed_at(lh: Lh, lake: Path) -> None:
    code, _, err = lh("search", "welder", "--where", "availabilty > 0.1")
    assert code == 1
    assert "availabilty > 0.1\n^^^^^^^^^^^" in "\n".join(line.strip() for line in err.splitlines())
    assert "Did you mean availability? Write: availability > 0.1" in " ".join(err.split())
    with workbench.connect(lake) as wb, pytest.raises(QueryError, match=r"availabilty > 0\.1\n\^{11}\n"):
        wb.search("welder", where="availabilty > 0.1")
