"""The embedded embedder: its files, its identity, its independence of the package that carries them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from workbench.errors import InvalidError, MissingExtraError
from workbench.search.embedding.embed import WordllamaEmbedder, token_counts
from workbench.trades.dictionary import Dictionary


def installed() -> Path:
    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def copy_of_the_files(folder: Path) -> Path:
    for part in ("weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(installed() / part, folder / part)
    return folder


@pytest.fixture(scope="module")
def embedder():
    return WordllamaEmbedder()


def tokenizer() -> Tokenizer:
    tokens = Tokenizer.from_file(str(installed() / "tokenizers/l2_supercat_tokenizer_config.json"))
    tokens.no_padding()
    tokens.no_truncation()
    return tokens


def test_the_vector_is_the_normalised_weighted_sum_of_the_token_vectors(embedder):
    table = load_file(installed() / "weights/l2_supercat_256.safetensors")["embedding.weight"].astype(np.float64)
    ids = tokenizer().encode("reach truck operator with osha-30", add_special_tokens=False).ids
    shares = token_counts() / token_counts().sum()
    wanted = sum(table[token] * 0.03 / (0.03 + shares[token]) for token in ids)

    vector = embedder.embed(["reach truck operator with osha-30"], side="query")[0]

    assert vector == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_the_shipped_counts_are_those_of_the_shipped_dictionary():
    dictionary = Dictionary.load()
    counted = np.zeros(32_000, np.int64)
    titles = [dictionary.titles[number].lower() for number in dictionary.pair_titles]
    for encoding in tokenizer().encode_batch_fast(titles, add_special_tokens=False):
        np.add.at(counted, encoding.ids, 1)

    assert np.array_equal(token_counts(), counted)


def test_a_word_of_many_titles_says_less_than_a_rare_one(embedder):
    both, forklift, operator = embedder.embed(["forklift operator", "forklift", "operator"], side="document")
    assert both @ forklift > 0.9 > both @ operator


def test_case_does_not_matter(embedder):
    shouted, plain = embedder.embed(["FORKLIFT Operator", "forklift operator"], side="query")
    assert shouted.tobytes() == plain.tobytes()


def test_a_text_has_no_longest_length(embedder):
    long = "welder " * 5000
    welder, welder_and_nurse = embedder.embed([long, long + "nurse"], side="document")
    assert not np.array_equal(welder, welder_and_nurse)


def test_it_loads_without_importing_the_package_without_network_and_without_a_home(tmp_path):
    script = (
        "import sys, logging\n"
        "from workbench.search.embedding.embed import WordllamaEmbedder\n"
        "assert not {'tokenizers', 'safetensors', 'wordllama'} & sys.modules.keys()\n"
        "vector = WordllamaEmbedder().embed(['welder'], side='query')\n"
        "assert not {'wordllama', 'requests', 'pydantic'} & sys.modules.keys()\n"
        "assert not logging.getLogger().handlers\n"
        "print(vector.shape)\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=root, env={"HOME": str(tmp_path)}
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "(1, 256)", "")


def test_a_missing_file_names_it_and_the_command(tmp_path):
    with pytest.raises(MissingExtraError, match=r"l2_supercat_256\.safetensors") as caught:
        WordllamaEmbedder(tmp_path)
    assert "pip install" in caught.value.hint
    assert caught.value.http_status == 501


def test_a_missing_package_names_it_and_the_command():
    script = (
        "import sys\n"
        "sys.modules['wordllama'] = None\n"
        "sys.path_importer_cache.clear()\n"
        "from workbench.errors import MissingExtraError\n"
        "from workbench.search.embedding.embed import WordllamaEmbedder\n"
        "try:\n    WordllamaEmbedder()\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert "needs the package wordllama" in done.stdout, done.stderr
    assert "pip install 'wordllama" in done.stdout


def test_the_digest_is_that_of_the_content_not_of_the_place(tmp_path, embedder):
    assert WordllamaEmbedder(copy_of_the_files(tmp_path)).digest == embedder.digest


def test_other_weights_are_another_model(tmp_path, embedder):
    folder = copy_of_the_files(tmp_path)
    weights = folder / "weights/l2_supercat_256.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)

    assert WordllamaEmbedder(folder).digest != embedder.digest


def test_another_pooling_is_another_model(embedder):
    class Summing(WordllamaEmbedder):
        pooling = "lower/sum/1"

    assert Summing().digest != embedder.digest


def test_weights_for_another_number_of_tokens_are_refused(tmp_path):
    folder = copy_of_the_files(tmp_path)
    save_file({"embedding.weight": np.ones((31999, 256), np.float16)}, folder / "weights/l2_supercat_256.safetensors")
    with pytest.raises(MissingExtraError, match="31,999 tokens; 32,000"):
        WordllamaEmbedder(folder)


def test_a_text_whose_tokens_cancel_out_is_refused_by_place(tmp_path):
    folder = copy_of_the_files(tmp_path)
    save_file({"embedding.weight": np.zeros((32000, 256), np.float16)}, folder / "weights/l2_supercat_256.safetensors")
    with pytest.raises(InvalidError, match=r"Text 1 of 2 has no word"):
        WordllamaEmbedder(folder).embed(["welder", "nurse"], side="document")


def test_threads_get_the_same_vectors(embedder):
    batches = [[f"worker {batch} {row} welds" for row in range(50)] for batch in range(8)]
    alone = [embedder.embed(batch, side="document") for batch in batches]

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda batch: embedder.embed(batch, side="document"), batches))

    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))
