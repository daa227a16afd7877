"""Trades: the shipped dictionary, role texts brought to occupations, and occupation profiles."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from workbench.cli.role import told
from workbench.errors import ConfigError, DimensionError, InvalidError, NotFoundError
from workbench.search.embedding.embed import WordllamaEmbedder
from workbench.search.trade_roles import Trades, open_trades
from workbench.trades.dictionary import Dictionary, pack, unpack
from workbench.trades.overlap import WordOverlap
from workbench.trades.profiles import Profiles
from workbench.trades.roles import TitleIndex, grade
from workbench.trades.scan import TitleScan
from workbench.trades.synonyms import read_synonyms
from workbench.trades.typos import TitleWords
from workbench.trades.wording import fold, parts

ROOT = Path(__file__).parents[1]
SOURCE = ROOT.parent / "shared" / "data" / "occupation_titles.csv"
FORKLIFT = "53-7051.00"


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return Dictionary.load()


@pytest.fixture(scope="module")
def index(dictionary: Dictionary) -> TitleIndex:
    return TitleIndex(dictionary)


@pytest.fixture(scope="module")
def embedder() -> WordllamaEmbedder:
    return WordllamaEmbedder()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="module")
def trades(embedder: WordllamaEmbedder, cache: Path) -> Trades:
    return open_trades(embedder, cache)


def codes(match) -> list[str]:
    return [ranked.occupation.code for ranked in match.ranked]


# The dictionary


@pytest.mark.skipif(not SOURCE.exists(), reason="the source table is not on this machine")
def test_the_shipped_dictionary_is_the_source_table(dictionary):
    wanted = defaultdict(set)
    preferred = {}
    with SOURCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            wanted[row["onet_soc_code"]].add(row["title"])
            if row["kind"] == "preferred":
                preferred[row["onet_soc_code"]] = row["title"]

    shipped = {
        occupation.code: {dictionary.titles[n] for n in dictionary.pair_titles[start:end]}
        for occupation, start, end in zip(
            dictionary.occupations, dictionary.starts[:-1], dictionary.starts[1:], strict=True
        )
    }

    assert shipped == wanted
    assert {o.code: o.title for o in dictionary.occupations} == preferred


def test_it_has_every_title_once_and_knows_its_owners(dictionary):
    assert (len(dictionary), len(dictionary.pair_titles)) == (1016, 53_767)
    assert len(set(dictionary.titles)) == len(dictionary.titles) == 43_892
    owners = dictionary.owners[dictionary.titles.index("Forklift Operator")]
    assert [dictionary.occupations[n].code for n in owners] == ["47-2073.00", "47-5041.00", FORKLIFT]
    assert sum(map(len, dictionary.owners)) == 53_767


def test_its_notice_comes_with_it():
    import workbench.trades.dictionary as shipped

    said = " ".join((shipped.__doc__ or "").split())
    assert "This product includes information from the O*NET Database by the U.S. Department of Labor" in said
    assert "used under the CC BY 4.0 license, and modified." in said


def test_packing_is_undone_and_is_the_same_every_time():
    entries = [("11-1011.00", ["Chief Executives", "CEO"]), ("53-7051.00", ["Industrial Truck Operators"])]
    assert unpack(pack(entries)) == entries
    assert pack(entries) == pack(entries)


def test_a_code_means_its_occupation_and_a_stem_its_details(dictionary):
    assert dictionary.with_code("53-7051") == dictionary.with_code(FORKLIFT)
    [nurse] = dictionary.with_code("29-1141.03")
    assert dictionary.occupations[nurse].short == "29-1141.03"
    assert dictionary.occupations[nurse].family == "29-1140"
    with pytest.raises(NotFoundError, match="53-7052"):
        dictionary.with_code("53-7052")


def test_opening_it_is_fast_and_pulls_in_no_engine():
    code = (
        "import time, sys\n"
        "from workbench.trades.dictionary import Dictionary\n"
        "start = time.process_time(); Dictionary.load(); print(time.process_time() - start)\n"
        "assert not {'numkong', 'duckdb', 'tokenizers'} & sys.modules.keys()\n"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
            for _ in range(3)]  # fmt: skip
    assert min(float(run.stdout) for run in runs) <= 0.15


# Wording


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hi-Lo Drivers", "hi lo driver"),
        ("Nurses' Aides", "nurse aide"),
        ("Driver's Helper", "driver helper"),
        ("Secretaries", "secretary"),
        ("Coaches", "coach"),
        ("Bus Driver", "bus driver"),
        ("Forklift  ops", "forklift op"),
        ("C++ / C# Developers", "c++ c# developer"),
        ("Ｗｅｌｄｅｒ", "welder"),
        ("🙂 -- ", ""),
    ],
)
def test_folding(text, folded):
    assert fold(text) == folded
    assert fold(folded) == folded


def test_a_title_with_its_long_form_names_both():
    assert [part.strip() for part in parts("CNC Operator (Machine Operator)")] == [
        "CNC Operator (Machine Operator)", "CNC Operator", "Machine Operator",
    ]  # fmt: skip


def test_overlap_is_the_cosine_of_weighted_words():
    titles = ["forklift driver", "truck driver", "bus driver", "nurse"]
    overlap = WordOverlap(titles)

    found = overlap.similarities("forklift driver")

    assert found[0] == pytest.approx(1.0)
    assert found[0] > found[1] == found[2] > found[3] == 0
    assert overlap.similarities("forklift driver zeppelin")[0] < 1.0
    assert not overlap.similarities("").any()


# Roles


@pytest.mark.parametrize(
    "text",
    [
        "tow motor", "tow motor operator", "Tow Motor Operators", "hi-lo", "hi-lo driver", "HILO DRIVER", "reach truck",
        "reach truck operator", "stand-up reach truck driver", "forklift", "fork lift op", "Forklift Driver",
        "driver, forklift", "Sr. Forklift Operator II (nights)", "forklift operator - 2nd shift", "PIT driver",
    ],
)  # fmt: skip
def test_every_name_of_a_forklift_operator_is_one(trades, text):
    match = trades.role(text)
    assert codes(match)[0] == FORKLIFT
    assert not match.ambiguous
    assert match.says == f"{text} = Industrial Truck and Tractor Operators (O*NET 53-7051)"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("RN", "29-1141.00"),
        ("cnc operator", "51-9161.00"),
        ("Packer", "53-7064.00"),
        ("Welders", "51-4121.00"),
        ("CDL-A Driver", "53-3032.00"),
        ("certified nursing assistant", "31-1131.00"),
        ("hotel housekeeper", "37-2012.00"),
        ("java developer", "15-1251.00"),
    ],
)
def test_other_trades_are_found(trades, text, code):
    assert codes(trades.role(text))[0] == code


def test_a_title_that_several_occupations_share_stays_ambiguous_and_says_so(trades):
    picker = trades.role("picker")
    assert picker.ambiguous
    assert {"45-2092.00", "53-7065.00"} <= {o.code for o in picker.meant}  # an orchard's, a warehouse's
    assert picker.note == "7 occupations share this title."
    assert "one of 7 occupations" in picker.says
    assert [r.score for r in picker.ranked] == sorted((r.score for r in picker.ranked), reverse=True)


def test_a_shared_title_with_one_likely_owner_names_the_others(trades):
    match = trades.role("Forklift Operator")
    assert codes(match) == [FORKLIFT, "47-5041.00", "47-2073.00"]
    assert [o.code for o in match.meant] == [FORKLIFT]
    assert "3 occupations share this title" in match.note


@pytest.mark.parametrize(
    ("text", "read", "code"),
    [
        ("forlift operater", "forklift operator", FORKLIFT),
        ("Electritian", "electrician", "47-2111.00"),
        ("saftey cordinator", "safety coordinator", "17-2111.00"),
    ],
)
def test_a_typing_error_is_read_as_the_title_and_said(trades, text, read, code):
    match = trades.role(text)
    assert (match.how, codes(match)[0]) == ("near", code)
    assert match.note.startswith(f"Read as {read!r}.")


def test_only_words_that_no_title_has_are_read_otherwise():
    words = TitleWords(["forklift operator", "fork lift driver"])
    assert list(words.readings("forklift driver")) == []
    assert list(words.readings("forkliff driver")) == ["forklift driver"]
    assert list(words.readings("zeppelin driver")) == []
    assert list(words.readings("dlift")) == []  # the first letter is taken as typed


def test_when_without_what_is_no_role(trades):
    assert trades.role("night shift").note == "It says when or how, not what work."


def test_a_near_title_is_named_with_its_nearness(trades):
    match = trades.role("hotel housekeeper")
    assert (match.how, match.title) == ("near", "Housekeeper")
    assert "'Housekeeper' (0.7" in match.note


@pytest.mark.parametrize("text", ["purple monkey", "quarterly budget report", "asdf qwerty", "maria lopez", "chicago"])
def test_what_is_no_role_is_unknown_and_the_nearest_title_is_told(trades, text):
    match = trades.role(text)
    assert (match.how, match.ranked, match.occupation) == ("unknown", (), None)
    assert "nearest title" in match.note


@pytest.mark.parametrize("text", ["", "   ", "🙂", "--"])
def test_a_text_without_words_is_unknown(trades, text):
    assert trades.role(text).note == "There is no word in it."


def test_a_match_is_ready_for_json(trades):
    told = trades.role("hi-lo driver").to_dict()
    assert told["occupations"] == [
        {"code": "53-7051", "title": "Industrial Truck and Tractor Operators", "family": "53-7050", "score": 1.0}
    ]
    assert (told["how"], told["title"], told["ambiguous"]) == ("exact", "Hi Lo Driver", False)


@pytest.mark.parametrize(
    ("query", "role", "expected"),
    [
        ("tow motor", "Forklift Operator", "same"),
        ("forklift operator", "CNC Operator", "other"),
        ("forklift operator", "Picker", "other"),
        ("picker", "order selector", "same"),
        ("packer", "Warehouse Associate", "family"),
        ("delivery driver", "CDL-A Driver", "family"),
        ("welder", "Registered Nurse", "other"),
        ("picker", "Shipping Clerk", "other"),
        ("purple monkey", "welder", "off"),
        ("", "welder", "off"),
    ],
)
def test_the_gate_compares_occupations_not_spellings(trades, query, role, expected):
    assert trades.roles.gate(query, role) == expected
    assert grade(trades.role(role), trades.role(query)) == expected


# The command


def test_the_command_says_the_trade_and_how_it_is_known(trades, capsys):
    told(trades.role("hi-lo driver"))
    out, err = capsys.readouterr()
    assert out == "hi-lo driver = Industrial Truck and Tractor Operators (O*NET 53-7051)\n"
    assert "title 'Hi Lo Driver'" in err


def test_the_command_lists_what_an_ambiguous_role_may_be(trades, capsys):
    told(trades.role("machine operator"))
    out, err = capsys.readouterr()
    assert "51-9199" in out
    assert len(out.splitlines()) == 12  # what it says, a head, ten occupations
    assert "41 occupations share this title" in err
    assert "31 more: --json shows all" in err


def test_the_command_says_that_a_role_is_unknown(trades, capsys):
    told(trades.role("purple monkey"))
    out, err = capsys.readouterr()
    assert out == "purple monkey = no known occupation\n"
    assert "too far" in err


# Synonyms


def synonyms_file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_the_operators_words_win_over_the_dictionary(embedder, cache, tmp_path):
    path = synonyms_file(
        tmp_path, "words.toml", '"Pickers" = "53-7065"\nbuggy = "tow motor driver"\n"zoomer" = "buggy"\n'
    )
    trades = open_trades(embedder, cache, synonyms=path)

    picker = trades.role("picker")

    assert (picker.how, codes(picker), picker.ambiguous) == ("synonym", ["53-7065.00"], False)
    assert picker.note == "Your synonyms say: Pickers = 53-7065."
    assert codes(trades.role("Zoomers")) == codes(trades.role("buggy")) == [FORKLIFT]


def test_a_csv_of_synonyms_means_the_same(dictionary, index, tmp_path):
    path = synonyms_file(tmp_path, "words.csv", "phrase,meaning\n# ours\nbuggy,Tow Motor Driver\n\nzoomer, buggy\n")
    found = read_synonyms(path, dictionary, index.occupations)
    assert {key: [dictionary.occupations[n].code for n in s.occupations] for key, s in found.items()} == {
        "buggy": [FORKLIFT],
        "zoomer": [FORKLIFT],
    }


@pytest.mark.parametrize(
    ("name", "content", "line", "said"),
    [
        ("a.toml", 'ok = "welder"\n"hi lo" = "forklft drivr"\n', 2, "forklft drivr"),
        ("a.toml", 'ok = "welder"\n\nbad = "53-7052"\n', 3, "53-7052"),
        ("a.toml", 'ok = "welder"\nbad = 7\n', 2, "int"),
        ("a.toml", 'one = "two"\ntwo = "one"\n', 1, "leads back"),
        ("a.toml", '"hi lo" = "welder"\n"Hi-Lo" = "forklift driver"\n', 2, "stands already in line 1"),
        ("a.toml", 'empty = ""\n', 1, "needed"),
        ("a.csv", "buggy,welder\nzoomer\n", 2, "1 columns"),
        ("a.csv", "buggy,welder\n\nzoomer,wolder\n", 3, "wolder"),
    ],
)
def test_a_bad_line_is_named(dictionary, index, tmp_path, name, content, line, said):
    path = synonyms_file(tmp_path, name, content)
    with pytest.raises(ConfigError, match=rf"{name}, line {line}: .*{said}") as caught:
        read_synonyms(path, dictionary, index.occupations)
    assert caught.value.hint


def test_a_wrong_title_is_answered_with_near_ones(dictionary, index, tmp_path):
    path = synonyms_file(tmp_path, "a.toml", '"hi lo" = "forklft driver"\n')
    with pytest.raises(ConfigError) as caught:
        read_synonyms(path, dictionary, index.occupations)
    assert "Did you mean" in caught.value.hint
    assert "Forklift Driver" in caught.value.hint


@pytest.mark.parametrize("content", [b'"hi lo = "x"\n', b"\xff\xfe\x00"])
def test_a_file_that_is_no_toml_is_refused(dictionary, index, tmp_path, content):
    path = tmp_path / "a.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.toml"):
        read_synonyms(path, dictionary, index.occupations)


def test_a_file_that_is_not_there_is_refused(dictionary, index, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_synonyms(tmp_path / "none.toml", dictionary, index.occupations)


# Profiles


def test_profiles_are_the_rule_computed_in_full(trades, embedder, dictionary):
    texts = ["tow motor operator", "registered nurse", "someone who packs boxes at night"]
    vectors = embedder.embed(texts, side="query")
    titles = embedder.embed(dictionary.titles, side="document")
    weights = np.exp(
        8.0 * np.maximum.reduceat((vectors @ titles.T)[:, dictionary.pair_titles], dictionary.starts[:-1], axis=1)
    )

    made = trades.profiles.of(vectors)

    assert made.occupations.shape == made.weights.shape == (3, 20)
    assert np.allclose(np.linalg.norm(made.weights, axis=1), 1.0, atol=1e-6)
    for row in range(3):
        dense = np.zeros(1016)
        dense[made.occupations[row]] = made.weights[row]
        kept = np.where(weights[row] >= np.sort(weights[row])[-20], weights[row], 0.0)
        assert dense @ kept / np.linalg.norm(kept) > 0.999


def test_a_text_has_the_same_profile_alone_and_in_any_batch(trades, embedder):
    vectors = embedder.embed([f"{title} number {n}" for n in range(50) for title in ("welder", "nurse", "packer")],
                             side="document")  # fmt: skip
    together = trades.profiles.of(vectors)
    for place in (0, 63, 64, 149):
        alone = trades.profiles.of(vectors[place : place + 1])
        assert alone.occupations.tobytes() == together.row(place).occupations.tobytes()
        assert alone.weights.tobytes() == together.row(place).weights.tobytes()


def test_similar_trades_have_similar_profiles_and_the_reason_is_told(trades):
    query = trades.profile(["tow motor operator"])
    roles = trades.profile(["tow motor operator", "Forklift Operator", "Picker", "Registered Nurse"])

    same, forklift, picker, nurse = trades.profiles.similarities(query, roles).tolist()

    assert same == pytest.approx(1.0, abs=1e-6)
    assert 1.0 > forklift > 0.2 > max(picker, nurse) >= 0.0
    first, *rest = trades.profiles.explain(query, roles.row(1))
    assert (first.occupation.code, first.share > 0.9) == (FORKLIFT, True)
    assert all(first.share >= other.share > 0 for other in rest)
    assert trades.profiles.explain(query, roles.row(3)) == ()


def test_a_small_dictionary_has_narrow_profiles():
    small = Dictionary([("11-1011.00", ["Boss"]), ("53-7051.00", ["Lift Driver", "Boss"])])
    vectors = np.eye(2, 8, dtype=np.float32)
    table = Profiles(TitleScan(small, vectors)).of(vectors[1:])
    assert table.occupations.tolist() == [[1, 0]]
    assert table.weights[0, 1] / table.weights[0, 0] == pytest.approx(np.exp(-8), rel=1e-3)


def test_vectors_of_another_model_are_refused(trades, dictionary):
    with pytest.raises(DimensionError, match="256"):
        trades.profiles.of(np.ones((1, 3), np.float32))
    with pytest.raises(InvalidError, match="titles"):
        TitleScan(dictionary, np.ones((5, 4), np.float32))


# Composition


def test_titles_are_embedded_once(trades, embedder, cache):
    class Counting:
        name, digest, dimension = embedder.name, embedder.digest, embedder.dimension
        asked: list[str] = []  # noqa: RUF012

        def embed(self, texts, *, side):
            self.asked.extend(texts)
            return embedder.embed(texts, side=side)

    again = open_trades(Counting(), cache)

    assert codes(again.role("hotel housekeeper")) == ["37-2012.00"]
    assert Counting.asked == ["hotel housekeeper"]
    one, other = (each.profile(["welder"]) for each in (trades, again))
    assert one.weights.tobytes() == other.weights.tobytes()


def test_it_works_without_a_place_to_keep_vectors(embedder, trades):
    assert open_trades(embedder, None).role("order builder").to_dict() == trades.role("order builder").to_dict()
