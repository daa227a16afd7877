"""What is personal stays on this machine: placeholders before the wire, the values back in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_desk import ROSTER as DESK
from small_desk import TASK, judge

import workbench
from workbench.errors import ConfigError, ProviderError
from workbench.llm import local_chat_server as faults
from workbench.llm.attempts import Limits, Run, Task
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.fallback import Fallback
from workbench.llm.iterate import iterate
from workbench.llm.local_chat_server import LocalChatServer, Served
from workbench.llm.personal import ALL_LABELS
from workbench.llm.privacy import Pseudonymised
from workbench.llm.pseudonyms import Hidden, Restoring
from workbench.llm.router import PROVIDERS, Router
from workbench.llm.scripted import Scripted
from workbench.pii.roster import Roster
from workbench.session.people import KnownPeople

KEY = "very-secret-0123456789"
ROSTER = Roster(
    [
        ("name", "Jane Doe"),
        ("name", "José Núñez"),
        ("name", "Mary-Ann O'Neil"),
        ("name", "Will May"),
        ("phone", "815-555-0101"),
        ("email", "jane@agency"),
        ("birth_date", "1980-03-04"),
        ("badge", "Blue Heron 77"),
    ]
)
SECRETS = ["Jane", "Doe", "W-412", "815", "jane@agency", "123-45-6789", "12 Oak Street", "1980", "Blue Heron"]
PERSONAL = (
    "Jane Doe (W-412), phone 815-555-0101, mail jane@agency, SSN 123-45-6789, born 1980-03-04, lives at 12 Oak Street, "
    "team Blue Heron 77, is to start in Joliet on May 5. Tell Jane that we will call."
)


def asking(*texts: str, model: str = "demo", **options: object) -> Ask:
    return Ask(model, tuple(Message("user", text) for text in texts), **options)  # type: ignore[arg-type]


def hidden(*texts: str) -> tuple[Hidden, list[str]]:
    """The request without what is personal, and its texts without the explanation to the model."""
    made = Hidden(asking(*texts), ROSTER)
    return made, [message.content for message in made.ask.messages[-len(texts) :]]


def answered(model: ChatModel, how: str, ask: Ask) -> Completion:
    if how == "whole":
        return model.complete(ask)
    *pieces, done = model.stream(ask)
    assert isinstance(done, Completion)
    assert "".join(map(str, pieces)) == done.text
    assert all(pieces)
    return done


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"], models=["demo", "mine"]) as running:
        yield running


RouterOf = Callable[..., Router]


@pytest.fixture
def router_of(server: LocalChatServer) -> Iterator[RouterOf]:
    made: list[Router] = []

    def build(**options: object) -> Router:
        urls = {row.prefix: server.url if row.wire == "ollama" else server.openai_url for row in PROVIDERS}
        environ = {row.variable: KEY for row in PROVIDERS if row.variable}
        options = {"people": lambda: ROSTER, "urls": urls, "environ": environ, "wait": lambda _: None} | options
        made.append(Router(**options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for router in made:
        router.close()


def sent(server: LocalChatServer) -> str:
    return json.dumps(server.requests[-1]["messages"], ensure_ascii=False)


BOTH = pytest.mark.parametrize("how", ["whole", "stream"])


# --- what leaves the machine


@BOTH
@pytest.mark.parametrize("row", PROVIDERS[1:], ids=lambda row: row.prefix)
def test_a_provider_sees_nothing_personal_and_the_answer_has_it_back(router_of, server, row, how):
    done = answered(router_of(), how, asking(PERSONAL, model=f"{row.prefix}/demo"))
    assert not [secret for secret in SECRETS if secret in sent(server)]
    assert "Joliet on May 5" in sent(server)
    assert done.text == PERSONAL
    assert done.pseudonymised == 9


@BOTH
@pytest.mark.parametrize("row", PROVIDERS[1:], ids=lambda row: row.prefix)
def test_a_trusted_provider_sees_the_request_as_it_is(router_of, server, row, how):
    done = answered(router_of(trusted=[row.prefix]), how, asking(PERSONAL, model=f"{row.prefix}/demo"))
    assert server.requests[-1]["messages"] == [{"role": "user", "content": PERSONAL}]
    assert (done.text, done.pseudonymised) == (PERSONAL, 0)


@BOTH
def test_ollama_on_this_machine_is_always_trusted_and_asks_for_no_roster(router_of, server, how):
    done = answered(router_of(people=lambda: pytest.fail("not needed")), how, asking(PERSONAL, model="ollama/demo"))
    assert server.requests[-1]["messages"] == [{"role": "user", "content": PERSONAL}]
    assert done.pseudonymised == 0


def test_ollama_on_another_machine_is_trusted_only_by_name():
    for trusted, expected in (((), False), (("ollama",), True)):
        router = Router(urls={"ollama": "http://10.0.0.5:11434"}, environ={}, trusted=trusted)
        assert router.registrations()[0].trusted is expected


@pytest.mark.parametrize("model", ["glm-5:120b-cloud", "ollama/gpt-oss:cloud", "mine"])
def test_a_model_that_ollama_passes_on_to_its_cloud_leaves_the_machine(router_of, model):
    bare = model.removeprefix("ollama/")
    with LocalChatServer(
        lambda messages: messages[-1]["content"], models=[bare], elsewhere={"mine": "https://ollama.com"}
    ) as own:
        done = router_of(urls={"ollama": own.url}).complete(asking("Ask Jane Doe.", model=model))
        assert "Jane" not in sent(own)
        assert (done.text, done.pseudonymised) == ("Ask Jane Doe.", 1)
        router_of(urls={"ollama": own.url}, trusted=["ollama_cloud"]).complete(asking("Ask Jane Doe.", model=model))
        assert "Jane Doe" in sent(own)


def test_a_chain_decides_for_each_provider_that_really_answers(router_of, server):
    chain = Fallback(router_of(), ["ollama/demo"])
    server.faults += [faults.refuse(400)]
    done = chain.complete(asking("Ask Jane Doe.", model="kimi/demo"))
    first, second = (json.dumps(one["messages"]) for one in server.requests)
    assert "Jane" not in first
    assert "Jane Doe" in second
    assert (done.provider, done.text, done.pseudonymised) == ("ollama", "Ask Jane Doe.", 0)
    back = Fallback(router_of(), ["kimi/demo"])
    server.faults += [faults.refuse(400)]
    done = back.complete(asking("Ask Jane Doe.", model="ollama/demo"))
    assert "Jane" not in sent(server)
    assert (done.provider, done.text, done.pseudonymised) == ("kimi", "Ask Jane Doe.", 1)


@BOTH
def test_when_the_people_cannot_be_known_nothing_is_sent(router_of, server, how):
    def broken() -> Roster:
        raise ProviderError("The lake cannot be read.")

    with pytest.raises(ProviderError, match="lake cannot be read"):
        answered(router_of(people=broken), how, asking("Hello.", model="kimi/demo"))
    assert server.requests == []


def test_a_trusted_name_that_is_no_provider_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="kimmi") as caught:
        Router(environ={}, trusted=["kimmi"])
    assert "kimi" in caught.value.hint


def test_a_request_without_anything_personal_goes_as_it_is(router_of, server):
    done = router_of().complete(asking("Write a haiku.", model="kimi/demo"))
    assert server.requests[-1]["messages"] == [{"role": "user", "content": "Write a haiku."}]
    assert done.pseudonymised == 0


def test_the_workbench_hides_the_people_of_its_lake_also_those_loaded_later(tmp_path: Path):
    (tmp_path / "workers.csv").write_text("worker_id,full_name,phone\n1,Ada Lovelace,815-555-0147\n2,Bo Li,\n")
    (tmp_path / "more.csv").write_text("worker_id,full_name,phone\n3,Grace Hopper,815-555-0199\n")
    with LocalChatServer(lambda messages: messages[-1]["content"]) as server:
        settings = {"kimi_url": server.openai_url, "environ": {"KIMI_API_KEY": KEY}}
        with workbench.connect(tmp_path / "lake", folder=tmp_path, **settings) as wb:
            wb.ingest(tmp_path / "workers.csv", "workers")
            text = "Ada Lovelace or Grace Hopper?"
            assert wb.llm.chat(text, model="kimi/demo").text == text
            assert "Ada" not in sent(server)
            assert "Grace Hopper" in sent(server)  # nobody knows her yet
            wb.ingest(tmp_path / "more.csv", "workers")
            assert wb.llm.chat(text, model="kimi/demo").pseudonymised == 2
            assert "Grace" not in sent(server)
        with workbench.connect(tmp_path / "lake", folder=tmp_path, trusted_providers="kimi", **settings) as wb:
            assert wb.llm.chat("Ada Lovelace", model="kimi/demo").pseudonymised == 0
            assert "Ada Lovelace" in sent(server)


def test_the_people_are_read_once_and_again_only_when_they_have_changed(tmp_path: Path):
    (tmp_path / "workers.csv").write_text("worker_id,full_name\n1,Ada Lovelace\n2,Bo Li\n")
    (tmp_path / "plain.csv").write_text("city,n\nJoliet,1\nGary,2\n")
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as wb:
        people = KnownPeople(lambda: wb.lake)
        assert not people()
        wb.ingest(tmp_path / "workers.csv", "workers")
        read = people()
        assert read.find("Ada Lovelace")
        wb.ingest(tmp_path / "plain.csv", "plain")
        done = Run(Task("email", "Write to them.", "demo"), Limits(), (), "accepted", 0.1, {"to": "Ada Lovelace"})
        wb.logs.sessions.note(done)
        assert wb.logs.sessions.flush()
        assert people() is read


# --- placeholders


def test_one_value_has_one_placeholder_however_it_is_written():
    made, (first, second) = hidden(
        "Jane Doe, Doe, Jane and JANE DOE: 815-555-0101", "(815) 555-0101 jane doe W-12 w-12"
    )
    assert set(re.findall(r"[A-Z]+_[0-9]+", first + second)) == {"PERSON_1", "PHONE_1", "WORKER_1"}
    assert made.restore("PERSON_1 PHONE_1 WORKER_1") == "Jane Doe 815-555-0101 W-12"


def test_a_system_message_says_what_placeholders_are_and_stays_one():
    ask = Ask("demo", (Message("system", "Be short."), Message("user", "Ask Jane Doe, W-3.")))
    told = Hidden(ask, ROSTER).ask.messages
    assert [message.role for message in told] == ["system", "user"]
    assert told[0].content.startswith("Be short.\n\n")
    assert "PERSON_1" in told[0].content
    assert "WORKER_1" in told[0].content
    assert Hidden(asking("Ask Jane Doe."), ROSTER).ask.messages[0].role == "system"


def test_what_looks_like_a_placeholder_already_is_not_confused_with_one():
    made, (told,) = hidden("PERSON_1 and person_2 are variables, Jane Doe is not; see PHONE_1: 815-555-0101.")
    assert told == "PERSON_1 and person_2 are variables, PERSON_3 is not; see PHONE_1: PHONE_2."
    assert made.restore(told) == "PERSON_1 and person_2 are variables, Jane Doe is not; see PHONE_1: 815-555-0101."


def test_a_placeholder_that_the_model_invents_stays():
    made, _ = hidden("Propose Jane Doe, W-412.")
    answer = '{"fills": [{"candidate_id": "WORKER_2", "name": "PERSON_7"}, {"candidate_id": "WORKER_1"}]}'
    assert made.restore(answer) == answer.replace("WORKER_1", "W-412")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("PERSON_1's", "Jane Doe's"),
        ("**PERSON_1**", "**Jane Doe**"),
        ("_PERSON_1_", "_Jane Doe_"),
        ("PERSON\\_1", "Jane Doe"),
        ("Person_1", "Jane Doe"),
        ("PERSON_12", "PERSON_12"),
        ("XPERSON_1", "XPERSON_1"),
        ("PERSON_1a", "PERSON_1a"),
        ('{"body": "Hi,\\nPERSON_1"}', '{"body": "Hi,\\nJane Doe"}'),
        ('{"body": "\\u00e9PERSON_1"}', '{"body": "\\u00e9Jane Doe"}'),
        ("PERSON_", "PERSON_"),
        ("PERSON", "PERSON"),
    ],
)
def test_a_placeholder_is_known_in_the_forms_in_which_models_write_it(written, read):
    made, _ = hidden("Ask Jane Doe.")
    assert made.restore(written) == read


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"name": "José Núñez"}),  # with \u escapes
        json.dumps({"body": "said\nJane Doe\tthen"}),
        json.dumps({"said": json.dumps({"name": "José Núñez"})}),
        json.dumps({"first_name": "Jane", "last_name": "Doe"}),
        json.dumps(json.dumps({"first_name": "Jane", "last_name": "Doe"})),
        "first_name: Jane\nlast_name: Doe\n",
        '{"worker_id": 412, "note": "Jane\\u0020Doe"}',
    ],
)
def test_json_and_structs_lose_what_is_personal_and_keep_their_form(text):
    made, (told,) = hidden(text)
    low = told.lower()
    assert not any(part in low for part in ("jane", "doe", "412", "jos", "\\u00fa", "\\u00f1"))
    assert ("last_name" in told) == ("last_name" in text)
    if text.startswith(("{", '"')) and "412" not in text:
        assert json.loads(made.restore(told)) == json.loads(text)
        json.loads(told)


@pytest.mark.parametrize(
    "text", ["Jane Doe2, 2Jane Doe, jane_doe_3", "Jane Doe2", "W-412 2Jane Doe", "Jane Doe12, Jane Doe1"]
)
def test_letters_and_digits_that_touch_a_name_make_no_other_placeholder(text):
    made, (told,) = hidden(text)
    assert "jane" not in told.lower()
    assert made.restore(told) == text


def test_a_value_that_is_put_back_cannot_break_a_json_string():
    roster = Roster([("name", 'Jane "JJ" Doe'), ("address", '12 Oak "B" Street')])
    made = Hidden(asking('Ask Jane "JJ" Doe, 12 Oak "B" Street, password="a\\"b\\\\c".'), roster)
    words = " ".join(f"{label}_{n}" for label in ALL_LABELS for n in range(1, 5))
    assert json.loads(json.dumps({"body": words}).replace(words, made.restore(words)))["body"]


def test_the_words_of_a_full_name_are_hidden_alone_too_when_they_begin_with_a_capital():
    roster = Roster([("name", "Rose Baker")])
    texts = ["Baker is early; Rose too, says the baker.", "Rose Baker starts."]
    told = Hidden(asking(*texts), roster).ask.messages[1:]
    assert [one.content for one in told] == ["PERSON_1 is early; PERSON_2 too, says the baker.", "PERSON_3 starts."]
    assert Hidden(asking("The Baker Rose Company"), Roster([("name", "Ann Lee")])).count == 0


def test_an_id_that_the_roster_knows_is_a_worker_all_the_same():
    made = Hidden(asking("W-104233 and worker id 104233, W-9"), Roster([("worker id", "W-104233")]))
    assert made.ask.messages[-1].content == "WORKER_1 and worker id WORKER_1, WORKER_2"


def test_ordinary_words_that_are_names_too_stay_words():
    _, (told,) = hidden("Will May starts. Will you call on May 5? The will of May.")
    assert told == "PERSON_1 starts. Will you call on May 5? The will of May."


@BOTH
def test_an_answer_that_was_cut_off_may_end_in_half_a_placeholder(how):
    names = [f"Jane {chr(65 + n)}ob" for n in range(12)]
    roster, said = Roster(("name", name) for name in names), "PERSON_2 nor a, PERSON_12"
    model = Pseudonymised(Scripted([said, said], piece=5), lambda: roster)
    cut = asking(" and ".join(names), max_tokens=6)  # of four characters each
    assert answered(model, how, cut).text == "Jane Bob nor a, PERSON_1"
    assert answered(model, how, asking(" and ".join(names))).text == "Jane Bob nor a, Jane Lob"


def test_the_loop_gets_real_ids_from_a_provider_that_saw_none_and_refuses_invented_ones():
    """The provider proposes a worker that it made up, is told so, and then one whose placeholder it was given."""
    asked: list[str] = []

    def reply(messages: list[dict[str, str]]) -> str:
        asked.append(json.dumps(messages))
        given = list(dict.fromkeys(re.findall(r"WORKER_[0-9]+", messages[1]["content"])))
        ids = [*given[:2], "WORKER_99"] if len(asked) == 1 else given[2:3]
        return json.dumps({"fills": [{"candidate_id": one, "name": "Ann"} for one in ids]})

    with LocalChatServer(reply, models=["k2"]) as server:
        router = Router(urls={"kimi": server.openai_url}, environ={"KIMI_API_KEY": KEY})
        run = iterate(router, judge, replace(TASK, model="kimi/k2"), ground=grounded)
        router.close()
    ids = [row["candidate_id"] for row in TASK.candidates[:3]]
    assert [fill["candidate_id"] for fill in run.require()["fills"]] == ids
    assert [finding.got for finding in run.attempts[0].findings if finding.code == "phantom_id"] == ["WORKER_99"]
    assert not re.search(r"W-[0-9]", "".join(asked))


def grounded(artifact: Mapping[str, object]) -> bool:
    fills = artifact["fills"]
    return isinstance(fills, list) and all(fill["candidate_id"] in DESK for fill in fills)


# --- streams


@given(st.data())
def test_a_stream_cut_anywhere_gives_what_the_whole_gives(data):
    made, _ = hidden("Jane Doe, José Núñez, W-1, W-2, 815-555-0101, jane@agency, PERSON_2")
    words = ["PERSON_1", "person_2", "PERSON_3", "WORKER_2", "PHONE_1", "EMAIL\\_1", "PERS", "_", "\\n", "\\u00e9", "1"]
    signs = st.sampled_from([*words, " ", "a", "P", "\\", '"', "SECRET_", "é", "_1_"])
    text = "".join(data.draw(st.lists(signs, max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    going = Restoring(made)
    pieces = [going.feed(text[left:right]) for left, right in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert "".join(pieces) + going.end() == made.restore(text)


def test_nothing_but_a_placeholder_is_held_back():
    made, _ = hidden("Ask Jane Doe.")
    going = Restoring(made)
    assert [going.feed(piece) for piece in ("Hello ", "to PER", "SON_", "1", "", ", now.")] == [
        "Hello ", "to ", "", "", "", "Jane Doe, now.",
    ]  # fmt: skip


@pytest.mark.parametrize("wire", ["kimi", "ollama_cloud"])
def test_a_placeholder_cut_in_two_on_the_wire_is_put_together(router_of, server, wire):
    def letters(served: Served) -> Served:
        """Send the answer letter by letter."""

        def parts() -> Iterator[bytes | None]:
            for part in served.parts:
                assert part is not None
                text = re.search(rb'"content": "([^"]+)"', part)
                for place in range(*(text.span(1) if text else (0, 0))):
                    yield part[: text.start(1)] + part[place : place + 1] + part[text.end(1) :]  # type: ignore[union-attr]
                if not text:
                    yield part

        return Served(served.wire, parts(), stream=True)

    server.faults += [letters]
    *pieces, done = router_of().stream(asking("Ask Jane Doe (W-412) now", model=f"{wire}/demo"))
    assert isinstance(done, Completion)
    assert done.text == "".join(map(str, pieces)) == "Ask Jane Doe (W-412) now"
    assert len(pieces) > 8


def test_a_stream_that_breaks_gives_no_half_placeholder_and_closes(router_of, server):
    server.faults += [faults.end_early(3)]
    got: list[str | Completion] = []
    with pytest.raises(ProviderError, match="broke off"):
        got.extend(router_of().stream(asking("a Jane Doe b c d", model="ollama_cloud/demo")))
    assert not any("PERSON" in str(piece) for piece in got)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_around_a_name_hides_it_and_comes_back(before, after):
    text = f"{before} Jane Doe {after}"
    made, (told,) = hidden(text)
    assert "Jane Doe" not in told
    assert "Jane Doe" in made.restore(told)


IDS = [
    "W_412", "W 412", "W412", "w#412", "W\u2011412", "W\u2013412", "\uff37-\uff14\uff11\uff12", "worker 412",
    "Worker #412", '{"worker_id": 412}', '{"worker_ids": [7, 412]}',
    '{"candidate_ids":["7","412"]}', "workers 413, 412 and 414",
    '"id":"W\\u002d412"', "W&#45;412",
]  # fmt: skip


@pytest.mark.parametrize("text", IDS)
def test_the_id_of_a_worker_stays_here_in_any_spelling(text):
    made, (told,) = hidden(f"Take {text} on day 2 of 5.")
    plain = told.translate({0xFF11: "1", 0xFF12: "2", 0xFF14: "4"})
    assert "412" not in plain
    assert "on day 2 of 5." in told
    assert "412" in made.restore(told).translate({0xFF11: "1", 0xFF12: "2", 0xFF14: "4"})


@pytest.mark.parametrize("text", ["2 workers 3 shifts", "8 candidates", "W 4 Street", "the best 20 workers, 12 hours"])
def test_a_count_beside_the_word_worker_is_no_id(text):
    assert hidden(text)[0].count == 0


@pytest.mark.parametrize(
    "text", ["Jane&nbsp;Doe", "Jos&eacute; N&uacute;&ntilde;ez", "&#74;ane Doe", "SSN 123&#45;45&#45;6789"]
)
def test_entities_hide_nobody(text):
    made, (told,) = hidden(f"It is {text}.")
    assert made.count == 1
    assert not [word for word in ("Doe", "ez", "6789") if word in told]
    assert made.restore(told) == f"It is {text}."
