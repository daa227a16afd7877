"""The HTTP client: when it repeats, what it refuses, and what its errors say."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest

from workbench.errors import (
    ConfigError,
    NotFoundError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitedError,
)
from workbench.outbound import Endpoint, Outbound, Patience, Secret
from workbench.search.embedding.embed import WordllamaEmbedder
from workbench.search.embedding.local_server import LocalServer, Reply, drop, hang, redirect, refuse, web_page

KEY = "very-secret-0123456789"
BODY = {"model": "demo", "input": ["forklift operator"]}


class Vectors(msgspec.Struct):
    embeddings: list[list[float]]


@pytest.fixture(scope="module")
def default() -> WordllamaEmbedder:
    return WordllamaEmbedder()


@pytest.fixture
def server(default: WordllamaEmbedder) -> Iterator[LocalServer]:
    with LocalServer(default, model="demo") as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(server: LocalServer, pauses: list[float]) -> Iterator[Outbound]:
    outbound = Outbound(Endpoint("Demo", server.url, "Start the demo."), wait=pauses.append)
    yield outbound
    outbound.close()


def ask(client: Outbound) -> list[list[float]]:
    return client.post("/api/embed", BODY, Vectors).embeddings


@pytest.mark.parametrize("fault", [refuse(429), refuse(500), refuse(502), refuse(503), drop])
def test_what_may_pass_is_tried_again(client, server, pauses, fault):
    server.faults += [fault, fault]

    assert len(ask(client)) == 1
    assert len(pauses) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 501, 505])
def test_what_stays_is_not_tried_again(client, server, pauses, status):
    server.faults += [refuse(status)] * 2

    with pytest.raises((ProviderError, NotFoundError)) as caught:
        ask(client)

    assert (pauses, len(server.faults)) == ([], 1)
    assert caught.value.details == {"status": status, "said": "try again"}


def test_after_the_last_try_the_error_names_server_status_words_and_next_step(client, server, pauses):
    server.faults += [refuse(503, "server busy, please try again.")] * 4

    with pytest.raises(ProviderError) as caught:
        ask(client)

    assert len(pauses) == 3
    assert caught.value.message == f"Demo at {server.url} answered 503: server busy, please try again."
    assert caught.value.hint == "Start the demo."
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_pauses_grow_at_random_up_to_a_bound(server):
    longest = [0.0] * 6
    for _ in range(40):
        pauses: list[float] = []
        client = Outbound(Endpoint("Demo", server.url), patience=Patience(tries=7, max_pause_s=2.0), wait=pauses.append)
        server.faults += [refuse(500)] * 6
        ask(client)
        assert all(pause <= bound for pause, bound in zip(pauses, (0.5, 1, 2, 2, 2, 2), strict=True))
        longest = [max(pair) for pair in zip(longest, pauses, strict=True)]
        client.close()
    assert longest[0] < longest[1] < longest[2]
    assert len(set(longest)) == 6


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_what_is_waited(client, server, pauses, status):
    server.faults += [refuse(status, retry_after="7")]
    ask(client)
    assert pauses == [7.0]


def test_retry_after_may_be_a_date(client, server, pauses):
    server.faults += [refuse(429, retry_after=format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True))]
    ask(client)
    assert 17 < pauses[0] <= 20


@pytest.mark.parametrize("nonsense", ["soon", "inf", "nan", "-3"])
def test_a_retry_after_without_sense_does_no_harm(client, server, pauses, nonsense):
    server.faults += [refuse(429, retry_after=nonsense)]
    ask(client)
    assert 0 <= pauses[0] <= 0.5


def test_a_long_pause_is_reported_and_not_waited_for(client, server, pauses):
    server.faults += [refuse(429, "slow down", retry_after="3600")]

    with pytest.raises(RateLimitedError, match="slow down") as caught:
        ask(client)

    assert (pauses, caught.value.retry_after_s) == ([], 3600.0)
    assert "3600 s" in caught.value.hint


def test_a_server_that_is_not_there(server, pauses):
    server.close()
    client = Outbound(Endpoint("Ollama", server.url, "Start it with `ollama serve`."), wait=pauses.append)

    with pytest.raises(ProviderError) as caught:
        ask(client)

    assert len(pauses) == 3
    assert caught.value.message.startswith(f"Ollama does not answer at {server.url} (")
    assert caught.value.hint == "Start it with `ollama serve`."


def test_a_server_that_hangs_is_given_up_once(server, pauses):
    freed = threading.Event()
    server.faults += [hang(freed)] * 2
    client = Outbound(Endpoint("Demo", server.url), patience=Patience(timeout_s=0.2), wait=pauses.append)

    with pytest.raises(ProviderTimeoutError, match=r"within 0\.2 s"):
        ask(client)

    freed.set()
    assert (pauses, len(server.faults)) == ([], 1)
    client.close()


def test_an_answer_that_trickles_is_given_up_too():
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    connection.sendall(b" ")

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        client = Outbound(
            Endpoint("Demo", f"http://127.0.0.1:{listener.getsockname()[1]}"), patience=Patience(timeout_s=0.3)
        )
        with pytest.raises(ProviderTimeoutError):
            client.get("/", dict)
        stop.set()
        thread.join()
        client.close()


def test_an_answer_over_the_bound_is_not_read_to_its_end(server):
    client = Outbound(Endpoint("Demo", server.url), max_bytes=1000)
    with pytest.raises(ProviderError, match="more than 1,000 bytes"):
        ask(client)
    client.close()


def test_redirects_are_not_followed_and_the_key_stays_here(default, server):
    with LocalServer(default, model="demo") as elsewhere:
        server.faults += [redirect(f"{elsewhere.url}/api/embed")]
        secret = Secret("DEMO_KEY", environ={"DEMO_KEY": KEY})
        client = Outbound(Endpoint("Demo", server.url, secret=secret))

        with pytest.raises(ProviderError, match=r"redirects to 127\.0\.0\.1"):
            ask(client)

        assert elsewhere.requests == []
        client.close()


@pytest.mark.parametrize(
    ("sent", "what"),
    [
        (web_page(), "a web page"),
        (lambda _: Reply(200, b"not json"), "not JSON"),
        (lambda _: Reply(200, b'{"other": 1}'), "another form"),
        (lambda _: Reply(200, b"[]"), "another form"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(client, server, pauses, sent, what):
    server.faults += [sent]
    with pytest.raises(ProviderError, match=what):
        ask(client)
    assert pauses == []


def test_a_final_refusal_is_not_repeated_whatever_its_status(client, server, pauses):
    server.faults += [refuse(500, "too large to process")]
    with pytest.raises(ProviderError, match="too large"):
        client.post("/api/embed", BODY, Vectors, final=lambda status, said: "too large" in said)
    assert pauses == []


def test_a_proxy_is_for_other_machines(server, default, monkeypatch):
    with LocalServer(default, model="demo") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        near = Outbound(Endpoint("Demo", server.url))
        assert len(ask(near)) == 1
        assert proxy.requests == []

        far = Outbound(Endpoint("Demo", "http://models.example"))
        with pytest.raises(NotFoundError, match="404 page not found"):  # the proxy's own word: it was asked
            ask(far)
        near.close()
        far.close()


def test_a_proxy_that_cannot_be_used_is_a_setting_to_correct(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(ConfigError, match="cannot start"):
        Outbound(Endpoint("Demo", "https://models.example"))


def test_no_key_in_any_text(default):
    secret = Secret("DEMO_KEY", environ={"DEMO_KEY": KEY})
    with LocalServer(default, model="demo", key="another") as server:
        client = Outbound(Endpoint("Demo", server.openai_url, "Look.", secret))

        with pytest.raises(ProviderError) as caught:
            client.post("/embeddings", BODY, dict)

        assert "Incorrect API key provided: ***" in caught.value.message
        assert caught.value.hint == "Check the key in DEMO_KEY."
        for text in (str(caught.value), repr(caught.value), json.dumps(caught.value.to_dict()), repr(client)):
            assert KEY not in text
        assert KEY not in repr(secret) + repr(client.endpoint)
        client.close()


def test_the_key_is_read_anew_for_each_request(default):
    environ = {"DEMO_KEY": "old"}
    with LocalServer(default, model="demo", key="new") as server:
        client = Outbound(Endpoint("Demo", server.openai_url, secret=Secret("DEMO_KEY", environ=environ)))
        with pytest.raises(ProviderError):
            client.post("/embeddings", BODY, dict)
        environ["DEMO_KEY"] = "new\n"
        assert client.post("/embeddings", BODY, dict)["object"] == "list"
        client.close()


def test_a_key_from_a_private_file(tmp_path: Path):
    file = tmp_path / "secrets.toml"
    file.write_text(f'[openai]\napi_key = "{KEY}"\n')
    file.chmod(0o600)
    secret = Secret("DEMO_KEY", file, "openai", environ={})

    assert secret.read() == KEY
    assert Secret("DEMO_KEY", file, "openai", environ={"DEMO_KEY": "mine"}).read() == "mine"

    file.chmod(0o644)
    with pytest.raises(ConfigError, match="read by others") as caught:
        secret.read()
    assert caught.value.hint == f"chmod 600 {file}"


@pytest.mark.parametrize("content", ["", "[openai]\n", "[openai]\napi_key = 7\n", f"openai = '{KEY}'\n", f"{KEY}\n"])
def test_a_file_without_the_key_is_an_error_without_its_content(tmp_path: Path, content: str):
    file = tmp_path / "secrets.toml"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        Secret("DEMO_KEY", file, "openai", environ={}).read()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", [f"{KEY}\nX-Evil: 1", f"{KEY}é", f"{KEY}\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unquoted(key):
    with pytest.raises(ConfigError) as caught:
        Secret("DEMO_KEY", environ={"DEMO_KEY": key}).read()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:11434",
        "ftp://models.example",
        "http://",
        "http://me:pw@models.example",
        "http://a.example/v1?k=pw",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ConfigError) as caught:
        Endpoint("Demo", url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://api.localhost", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("https://models.example", False),
    ],
)
def test_what_is_on_this_machine(url, here):
    assert Endpoint("Demo", url).is_loopback is here


def test_the_servers_words_are_short_printable_and_no_list(client, server):
    server.faults += [refuse(400, "\x1b[31mred\n" + "x" * 5000)]
    with pytest.raises(ProviderError) as caught:
        ask(client)
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 400

    echo = {"detail": [{"msg": "too long", "input": "Maria Lopez, 555-0100"}]}
    server.faults += [lambda _: Reply(422, json.dumps(echo).encode())]
    with pytest.raises(ProviderError) as caught:
        ask(client)
    assert "Maria" not in str(caught.value)
