"""Embedders behind a server: prefixes, identity, checks of the answers, windows, resume."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from workbench.errors import (
    ConfigError,
    ConflictError,
    InvalidError,
    NotFoundError,
    ProviderError,
    RateLimitedError,
    TooLargeError,
)
from workbench.outbound import Secret
from workbench.search.embedding.embed import Embedder, WordllamaEmbedder
from workbench.search.embedding.local_server import LocalServer, Reply, alter, drop, hang, refuse, web_page
from workbench.search.embedding.ollama import OllamaEmbedder, installed_models
from workbench.search.embedding.openai import OpenAIEmbedder
from workbench.search.embedding.prefixes import NONE, TABLE, Prefixes, prefixes_of
from workbench.search.embedding.remote import RemoteEmbedder, is_too_long
from workbench.search.embedding.whole import embed_whole
from workbench.search.texts.intake import gather
from workbench.search.texts.slab import VectorSlab

NOMIC = "nomic-embed-text"


@pytest.fixture(scope="module")
def default() -> WordllamaEmbedder:
    return WordllamaEmbedder()


@pytest.fixture
def server(default: WordllamaEmbedder) -> Iterator[LocalServer]:
    with LocalServer(default, model=NOMIC) as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def ollama(server: LocalServer, pauses: list[float]) -> Iterator[OllamaEmbedder]:
    embedder = OllamaEmbedder(url=server.url, wait=pauses.append)
    yield embedder
    embedder.close()


@pytest.fixture(params=["ollama", "openai"])
def remote(request: pytest.FixtureRequest, server: LocalServer, pauses: list[float]) -> Iterator[RemoteEmbedder]:
    if request.param == "ollama":
        embedder: RemoteEmbedder = OllamaEmbedder(url=server.url, wait=pauses.append)
    else:
        embedder = OpenAIEmbedder(NOMIC, url=server.openai_url, wait=pauses.append)
    yield embedder
    embedder.close()


def test_each_side_is_sent_with_its_prefix(remote, server, default):
    query = remote.embed(["forklift"], side="query")
    document = remote.embed(["forklift"], side="document")

    assert server.requests[-2:] == [["search_query: forklift"], ["search_document: forklift"]]
    assert np.allclose(query, default.embed(["search_query: forklift"], side="query"), atol=1e-7)
    assert not np.array_equal(query, document)


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("nomic-embed-text", "search_query: ", "search_document: "),
        ("nomic-embed-text:v1.5", "search_query: ", "search_document: "),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("mxbai-embed-large", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed:22m", "Represent this sentence for searching relevant passages: ", ""),
        ("snowflake-arctic-embed2", "query: ", ""),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("bge-m3", "", ""),
        ("all-minilm", "", ""),
        ("text-embedding-3-small", "", ""),
    ],
)
def test_prefixes_by_model(model, query, document):
    assert prefixes_of(model) == Prefixes(query, document)


def test_every_row_of_the_table_says_where_it_is_from():
    assert all("." in source and "/" in source for _, _, source in TABLE)


def test_texts_go_in_batches_of_32_one_request_at_a_time(remote, server):
    assert remote.dimension == 256
    server.requests.clear()
    texts = [f"worker {number}" for number in range(100)]
    threads = [threading.Thread(target=remote.embed, args=(texts,), kwargs={"side": "query"}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(len, server.requests)) == [4] * 3 + [32] * 9
    assert server.most_at_once == 1


def test_nothing_is_asked_before_something_is_wanted(server):
    embedder = OllamaEmbedder(url=server.url)
    assert len(embedder.digest) == 64
    assert server.requests == []  # the digest alone does not load the model
    embedder.close()


def test_identity_is_made_of_weights_prefixes_and_dimensions(server, default):
    def digest(model: str = NOMIC, **how: object) -> str:
        embedder = OllamaEmbedder(model, url=server.url, **how)
        found = embedder.digest
        embedder.close()
        return found

    others = [
        digest(prefixes=NONE),
        digest(dimensions=128),
        digest(prefixes=Prefixes("a", "")),
        digest(prefixes=Prefixes("", "a")),
    ]
    assert len({digest(), *others}) == 5
    assert digest() == digest(f"{NOMIC}:latest") == digest(NOMIC.upper())

    with LocalServer(Renamed(default, "f" * 64), model=NOMIC) as other:
        embedder = OllamaEmbedder(url=other.url)
        assert embedder.digest != digest()
        embedder.close()


def test_openai_identity_is_address_and_name(server):
    digests = {
        OpenAIEmbedder(model, url=url).digest
        for model in (NOMIC, "other")
        for url in (server.openai_url, "http://127.0.0.1:9/v1")
    }
    assert len(digests) == 4


def test_a_model_that_changed_while_in_use_is_noticed(default):
    now = [0.0]
    with LocalServer(default, model=NOMIC) as server:
        embedder = OllamaEmbedder(url=server.url, clock=lambda: now[0])
        assert embedder.digest
        embedder.embed(["forklift"], side="query")
        server.embedder = Renamed(default, "f" * 64)
        embedder.embed(["forklift"], side="query")
        now[0] = 61.0
        with pytest.raises(ConflictError, match=f"another {NOMIC}"):
            embedder.embed(["forklift"], side="query")
        embedder.close()


class Renamed:
    """The same vectors under another digest, as after ``ollama pull`` of new weights."""

    def __init__(self, embedder: Embedder, digest: str) -> None:
        self.name, self.digest, self.dimension = embedder.name, digest, embedder.dimension
        self.embed = embedder.embed


class Leaning:
    """A server whose vectors depend on their batch, as Ollama's did (ollama#6262)."""

    name, digest, dimension = "leaning", "0" * 64, 8

    def embed(self, texts, *, side):
        rows = np.eye(8, dtype=np.float32)[[len(text) % 8 for text in texts]]
        return rows if len(texts) == 1 else np.roll(rows, 1, axis=1)


def test_where_a_batch_changes_vectors_each_text_goes_alone():
    with LocalServer(Leaning(), model="leaning") as server:
        embedder = OllamaEmbedder("leaning", url=server.url)
        vectors = embedder.embed(["a", "bb", "ccc"], side="document")
        assert vectors.argmax(axis=1).tolist() == [1, 2, 3]
        assert server.requests[-3:] == [["a"], ["bb"], ["ccc"]]
        embedder.close()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda rows: rows[:-1], "gave 1 vectors for 2 texts"),
        (lambda rows: [*rows, rows[0]], "gave 3 vectors for 2 texts"),
        (lambda rows: [rows[0], rows[1][:-1]], "several lengths"),
        (lambda rows: [row[:-1] for row in rows], "length 255 where it gave 256 before"),
        (lambda rows: [[], []], "length 0"),
        (lambda rows: [rows[0], [1e39, *rows[1][1:]]], "NaN or infinity"),
        (lambda rows: [rows[0], [0.0] * 256], "zero vector"),
        (lambda rows: [rows[0], [float("nan"), *rows[1][1:]]], "not JSON"),
        (lambda rows: [rows[0], ["x", *rows[1][1:]]], "another form"),
        (lambda rows: [rows[0], None], "another form"),
    ],
)
def test_a_wrong_answer_is_refused_whole(ollama, server, change, what):
    assert ollama.dimension == 256
    server.faults += [alter(change)]
    with pytest.raises(ProviderError, match=what):
        ollama.embed(["forklift", "welder"], side="document")


def test_vectors_are_scaled_to_length_1(ollama, server, default):
    assert ollama.dimension == 256
    server.faults += [alter(lambda rows: [[7.5 * x for x in row] for row in rows])]
    vectors = ollama.embed(["forklift", "welder"], side="document")
    assert np.allclose(vectors, ollama.embed(["forklift", "welder"], side="document"), atol=1e-6)


@pytest.mark.parametrize("numbers", [[0, 0], [1, 2], [0, 5]])
def test_openai_vectors_follow_their_numbers(server, numbers):
    def numbered(reply: Reply, given: list[int]) -> Reply:
        body = reply.body
        for place, number in enumerate(given):
            body = body.replace(b'"index": %d,' % place, b'"index": %d#,' % number)
        return Reply(reply.status, body.replace(b"#", b""))

    embedder = OpenAIEmbedder(NOMIC, url=server.openai_url)
    right = embedder.embed(["forklift", "welder"], side="document")
    server.faults += [lambda reply: numbered(reply, [1, 0]), lambda reply: numbered(reply, numbers)]

    assert np.array_equal(embedder.embed(["forklift", "welder"], side="document"), right[::-1])
    with pytest.raises(ProviderError, match="numbered its vectors wrongly"):
        embedder.embed(["forklift", "welder"], side="document")
    embedder.close()


def test_a_model_that_is_not_there_names_the_command_that_fetches_it(server):
    embedder = OllamaEmbedder("nomic-embed-txt", url=server.url)
    with pytest.raises(NotFoundError, match="nomic-embed-txt") as caught:
        embedder.embed(["forklift"], side="query")
    assert "Did you mean nomic-embed-text?" in caught.value.hint
    assert caught.value.hint.endswith("ollama pull nomic-embed-txt")
    embedder.close()


def test_a_model_removed_while_in_use(ollama, server):
    assert ollama.dimension
    server.model = "another"
    with pytest.raises(NotFoundError) as caught:
        ollama.embed(["forklift"], side="query")
    assert caught.value.hint == f"There are: another. ollama pull {NOMIC}"


def test_openai_without_that_model(server):
    embedder = OpenAIEmbedder("nope", url=server.openai_url)
    with pytest.raises(NotFoundError, match="does not exist"):
        embedder.embed(["forklift"], side="query")
    elsewhere = OpenAIEmbedder(NOMIC, url=server.url)
    with pytest.raises(NotFoundError, match="404 page not found") as caught:
        elsewhere.embed(["forklift"], side="query")
    assert "/v1" in caught.value.hint
    embedder.close()
    elsewhere.close()


def test_a_dead_server_says_how_to_start_it(default, pauses):
    with LocalServer(default) as server:
        url = server.url
    embedder = OllamaEmbedder(url=url, wait=pauses.append)
    with pytest.raises(ProviderError, match=f"Ollama does not answer at {url}") as caught:
        embedder.embed(["forklift"], side="query")
    assert caught.value.hint == "Start it with `ollama serve`, or set another address."
    with pytest.raises(ProviderError):
        installed_models(url)
    embedder.close()


def test_another_server_on_that_address(server, ollama):
    impostor = OllamaEmbedder(url=f"{server.url}/v1")
    with pytest.raises(ProviderError, match="is not Ollama: it has no /api/tags"):
        assert impostor.digest
    impostor.close()

    server.faults += [web_page()]
    with pytest.raises(ProviderError, match="is not Ollama: it sent a web page"):
        ollama.embed(["forklift"], side="query")


def test_an_ollama_too_old_for_batches(ollama, server):
    server.faults += [lambda _: Reply(404, b"404 page not found", {"Content-Type": "text/plain"})]
    with pytest.raises(ProviderError, match="no /api/embed") as caught:
        ollama.embed(["forklift"], side="query")
    assert "Update Ollama" in caught.value.hint


def test_a_busy_or_broken_server_is_tried_again(remote, server, pauses):
    assert remote.dimension
    server.faults += [refuse(503, "server busy, please try again."), drop, refuse(429, retry_after="2")]
    remote.embed(["forklift"], side="query")
    assert len(pauses) == 3
    assert pauses[-1] == 2.0


def test_a_limit_that_stays_is_passed_on(remote, server):
    assert remote.dimension
    server.faults += [refuse(429, retry_after="90")]
    with pytest.raises(RateLimitedError) as caught:
        remote.embed(["forklift"], side="query")
    assert caught.value.retry_after_s == 90


def test_the_key_goes_to_openai(default):
    with LocalServer(default, model=NOMIC, key="right") as server:
        for key, works in (("right", True), ("wrong", False)):
            secret = Secret("DEMO_KEY", environ={"DEMO_KEY": key})
            embedder = OpenAIEmbedder(NOMIC, url=server.openai_url, secret=secret)
            if works:
                assert embedder.dimension == 256
            else:
                with pytest.raises(ProviderError, match="refused the key"):
                    embedder.embed(["forklift"], side="query")
            embedder.close()
        keyless = OpenAIEmbedder(NOMIC, url=server.openai_url, secret=Secret("DEMO_KEY", environ={}))
        with pytest.raises(ConfigError, match="DEMO_KEY is not set"):
            keyless.embed(["forklift"], side="query")


def test_installed_models(server):
    assert installed_models(server.url) == [NOMIC]


@pytest.fixture
def narrow(default: WordllamaEmbedder) -> Iterator[LocalServer]:
    with LocalServer(default, model=NOMIC, window_words=40) as running:
        yield running


@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_texts_beyond_the_window_are_named_and_never_cut(narrow, kind):
    embedder: RemoteEmbedder = (
        OllamaEmbedder(url=narrow.url) if kind == "ollama" else OpenAIEmbedder(NOMIC, url=narrow.openai_url)
    )
    texts = [f"worker {number}" for number in range(70)]
    for place in (0, 33, 69):
        texts[place] = "forklift " * 50

    with pytest.raises(TooLargeError, match=r"3 of 70 texts are longer .*: 1, 34, 70") as caught:
        embedder.embed(texts, side="document")
    assert caught.value.details == {"positions": [0, 33, 69]}

    found = embedder.embed_fitting(texts, side="document")
    assert found.long.tolist() == [0, 33, 69]
    assert not found.vectors[found.long].any()
    assert np.array_equal(found.vectors[1:33], embedder.embed(texts[1:33], side="document"))
    embedder.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "the input length exceeds the context length"),
        (400, "input length exceeds maximum context length"),
        (
            500,
            "input (5000 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
        ),
        (400, "This model's maximum context length is 8192 tokens, however you requested 8610 tokens"),
        (413, "`inputs` must have less than 512 tokens. Given: 1232"),
        (400, "Requested 400000 tokens, max 300000 tokens per request"),
    ],
)
def test_how_servers_say_that_a_text_is_too_long(ollama, server, pauses, status, said):
    assert is_too_long(status, said)
    assert ollama.dimension
    server.faults += [refuse(status, said)] * 2
    found = ollama.embed_fitting(["forklift", "welder"], side="query")
    assert (found.long.tolist(), pauses) == ([0], [])


@pytest.mark.parametrize("said", ["server busy", "invalid input type", "context deadline exceeded", ""])
def test_other_refusals_are_no_windows(said):
    assert not is_too_long(400, said)


def test_a_long_text_is_embedded_whole(narrow, default):
    embedder = OllamaEmbedder(url=narrow.url, prefixes=NONE)
    first, second = "reach truck pallet jack " * 8, "night shift in Joliet " * 9
    texts = ["welder", f"{first.strip()}.\n\n{second.strip()}.", "nurse"]

    found = embed_whole(embedder, texts, side="document")

    assert found.long.tolist() == [1]
    assert narrow.requests[-1] == [f"{first.strip()}.", f"{second.strip()}."]
    parts = default.embed(narrow.requests[-1], side="document")
    mean = np.average(parts.astype(np.float64), axis=0, weights=[len(text) for text in narrow.requests[-1]])
    assert np.allclose(found.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1.0, atol=1e-6)
    assert np.array_equal(found.vectors[[0, 2]], embedder.embed(["welder", "nurse"], side="document"))
    embedder.close()


def test_every_word_of_a_long_text_is_sent_once(narrow):
    embedder = OllamaEmbedder(url=narrow.url, prefixes=NONE)
    assert embedder.dimension
    words = [f"w{number}" for number in range(1000)]
    narrow.requests.clear()

    found = embed_whole(embedder, [" ".join(words)], side="document")

    assert found.long.tolist() == [0]
    assert [word for request in narrow.requests for text in request for word in text.split()] == words
    embedder.close()


def test_a_text_without_any_boundary_is_split_in_its_middle(default):
    class Characters(LocalServer):
        def _longest(self, texts: list[str]) -> int:
            return max(map(len, texts))

    with Characters(default, model=NOMIC, window_words=200) as server:
        embedder = OllamaEmbedder(url=server.url, prefixes=NONE)
        found = embed_whole(embedder, ["x" * 390], side="document")
        assert np.isclose(np.linalg.norm(found.vectors[0]), 1.0, atol=1e-6)
        assert "".join(text for request in server.requests[-2:] for text in request).count("x") == 390

        server.window_words = 1
        with pytest.raises(TooLargeError, match="not even"):
            embed_whole(embedder, ["forklift operator " * 20], side="document")
        embedder.close()


def test_an_embedder_without_a_window_reads_everything(default):
    found = embed_whole(default, ["welder " * 5000], side="query")
    assert found.long.size == 0
    assert np.array_equal(found.vectors, default.embed(["welder " * 5000], side="query"))


def test_the_local_server_cuts_as_ollama_does_unless_told_not_to(narrow):
    import httpx

    body = {"model": NOMIC, "input": ["forklift " * 50]}
    with httpx.Client(base_url=narrow.url, trust_env=False) as client:
        assert client.post("/api/embed", json=body).status_code == 200
        refused = client.post("/api/embed", json={**body, "truncate": False})
        assert (refused.status_code, refused.json()) == (400, {"error": "the input length exceeds the context length"})
        assert client.get("/").text == "Ollama is running"
        assert client.get("/v1/models").json()["data"][0]["id"] == NOMIC
        assert client.post("/api/embed", json={"model": NOMIC, "input": []}).json()["embeddings"] == []
        assert client.post("/api/embed", json={"model": NOMIC, "input": [7]}).status_code == 400
        assert client.post("/api/embed", content=b"{").status_code == 400
        assert client.post("/api/embed", json={"model": NOMIC, "input": ["", "x"]}).status_code == 400


def test_a_server_that_closes_while_a_request_hangs_breaks_it_off(default, pauses):
    freed = threading.Event()
    server = LocalServer(default, model=NOMIC).start()
    embedder = OllamaEmbedder(url=server.url, wait=pauses.append)
    assert embedder.dimension
    server.faults += [hang(freed)] * 9
    closing = threading.Timer(0.1, server.close)
    closing.start()
    with pytest.raises(ProviderError):
        embedder.embed(["forklift"], side="query")
    closing.join()
    freed.set()
    embedder.close()


def test_an_intake_whose_server_dies_goes_on_where_it_stopped(default, tmp_path: Path, pauses):
    texts = [f"worker {number}: packs boxes on line {number % 97}" for number in range(3000)]
    batches = [pa.record_batch({"id": pa.array(range(3000)), "text": pa.array(texts)})]

    first = LocalServer(default, model=NOMIC).start()
    embedder = OllamaEmbedder(url=first.url, wait=pauses.append)
    slab = VectorSlab(tmp_path / "slab", embedder)
    first.faults += [*[lambda reply: reply] * 56, *[drop] * 100]  # 56 requests of 32 texts: 60 %
    with pytest.raises(ProviderError, match="broke off the connection"):
        gather(batches, embedder, slab, batch_texts=128)
    first.close()
    embedder.close()
    kept = len(slab)
    assert 3000 * 0.6 - 128 <= kept <= 3000 * 0.6

    with LocalServer(default, model=NOMIC) as second:
        again = OllamaEmbedder(url=second.url)
        slab = VectorSlab(tmp_path / "slab", again)
        second.requests.clear()
        rows, stats = gather(batches, again, slab, batch_texts=128)
        assert (stats.embedded, stats.reused, stats.unique) == (3000 - kept, kept, 3000)
        assert sum(map(len, second.requests)) == 3000 - kept

        second.requests.clear()
        _, unchanged = gather(batches, again, VectorSlab(tmp_path / "slab", again), batch_texts=128)
        assert (unchanged.embedded, second.requests) == (0, [])
        vectors = slab.take(slab.find(rows.keys))
        assert np.array_equal(vectors[2990:], again.embed(texts[2990:], side="document"))
        again.close()


def test_blank_texts_are_refused_before_anything_is_sent(remote, server):
    assert remote.dimension
    server.requests.clear()
    with pytest.raises(InvalidError, match="Text 2 of 2 is empty"):
        remote.embed(["welder", " "], side="query")
    assert server.requests == []
