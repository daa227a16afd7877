"""E-mails and text messages: to whom, how long, what must never be in them, and whose name.

Schema → length → Policy (SSN, pay) → name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Literal, cast

from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.markup import as_seen
from workbench.staffing.validate.mentions import WORKER_ID, check_mentions, mentions
from workbench.staffing.validate.message import Part, main_part, parts
from workbench.staffing.validate.names import fold_name, same_name
from workbench.staffing.validate.numbers import HIDDEN, find_numbers
from workbench.staffing.validate.pay import find_statements
from workbench.staffing.validate.records import Desk
from workbench.staffing.validate.report import Finding, Layer, error
from workbench.staffing.validate.roster import Worker

SUBJECT_MOST = 78
"""Characters of a subject: RFC 5322, 2.1.1."""
SMS_MOST = 160
"""Characters of one text message: GSM 03.38."""
ORDER: tuple[Layer, ...] = ("Schema", "Completeness", "Policy", "Consistency")
"""The names come last here."""

_LINE_BREAK = re.compile(r"[\r\n\u0085\u2028\u2029]")
_GREETING = re.compile(
    r"\s*(?i:hi there|hi|hello|hey|dear|good (?:morning|afternoon|evening)),?[ \t]+([^\W\d_][^\s,.!:;?—–]*)"
)
_FULL_NAME = re.compile(r"(?<!\w)[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)+")


@dataclass(frozen=True, slots=True)
class MessageContext:
    """For whom a message is, and about whom. ``pay_rate`` is the order's, dollars an hour."""

    audience: Literal["client", "worker"] = "client"
    candidate_id: str | None = None
    name: str | None = None
    pay_rate: Decimal | None = None


def check_email(artifact: Any, context: Any, desk: Desk) -> Iterator[Finding]:
    """All findings on ``{"to", "subject"?, "body", "kind": "email" | "sms"}`` under ``{"audience", "candidate_id"?,
    "pay_rate"?}``.
    """
    asked, problems = _read_context(context)
    yield from problems
    if not isinstance(artifact, Mapping):
        said = 'The artifact is no object: {"to", "subject", "body", "kind"}.'
        yield error("bad_artifact", "artifact", said, got=type(artifact).__name__)
        return
    yield from _check_schema(artifact)
    subject, body = (one if isinstance(one := artifact.get(name), str) else "" for name in ("subject", "body"))
    yield from _check_length(artifact, subject, body)
    main = main_part(subject, body)
    for part in parts(artifact, main):
        found = [*_check_ssn(part), *_check_pay(part, asked)]
        yield from found
        yield from _check_seen(part, asked, {one.code for one in found})
    yield from _check_name(main, body, asked, desk)
    yield from _check_mentions(artifact, asked, desk)


def _read_context(context: Any) -> tuple[MessageContext, list[Finding]]:
    if context is None:
        return MessageContext(), []
    if not isinstance(context, Mapping):
        return MessageContext(), [error("bad_context", "_context", "_context is no object.")]
    problems = []
    audience = context.get("audience")
    if audience not in (None, "client", "worker"):
        said = "_context.audience must be client or worker."
        problems.append(error("bad_context", "_context.audience", said, got=str(audience), expected="client or worker"))
    texts = {}
    for name in ("candidate_id", "name"):
        texts[name] = value = context.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            said = f"_context.{name} must be text."
            problems.append(error("bad_context", f"_context.{name}", said, got=type(value).__name__, expected="text"))
            texts[name] = None
    rate, bad = _read_rate(context.get("pay_rate"))
    problems += bad
    # Whoever is not known to be a worker is told as little as a client.
    whom = cast("Literal['client', 'worker']", audience if audience == "worker" else "client")
    return MessageContext(whom, texts["candidate_id"], texts["name"], rate), problems


def _read_rate(value: Any) -> tuple[Decimal | None, list[Finding]]:
    if value is None:
        return None, []
    try:
        rate = Decimal(str(value).strip().removeprefix("$"))
        if isinstance(value, str | int | float) and not isinstance(value, bool) and rate.is_finite() and rate > 0:
            return rate, []
    except InvalidOperation:
        pass
    said = "_context.pay_rate must be an amount above 0."
    return None, [error("bad_context", "_context.pay_rate", said, got=str(value), expected="21.25")]


def _check_schema(artifact: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("to", "body"):
        value = artifact.get(name)
        if value is None or value == "":
            yield error("missing_field", name, f"{name} is missing.", expected="text")
        elif not isinstance(value, str):
            yield error("wrong_type", name, f"{name} is not text.", got=type(value).__name__, expected="text")
        elif not value.strip():
            yield error("missing_field", name, f"{name} is blank.", expected="text")
    if not isinstance(subject := artifact.get("subject"), str | None):
        yield error("wrong_type", "subject", "subject is not text.", got=type(subject).__name__, expected="text")
    if artifact.get("kind", "email") not in ("email", "sms"):
        said = "kind must be email or sms."
        yield error("wrong_type", "kind", said, got=str(artifact.get("kind")), expected="email or sms")
    for name in ("to", "subject"):
        if isinstance(value := artifact.get(name), str) and _LINE_BREAK.search(value):
            said = f"{name} holds a line break: it would begin a header of its own."
            yield error("wrong_type", name, said, expected="one line")


def _check_length(artifact: Mapping[str, Any], subject: str, body: str) -> Iterator[Finding]:
    if len(subject) > SUBJECT_MOST:
        said = f"The subject has {len(subject)} characters, at most {SUBJECT_MOST}."
        yield error("subject_too_long", "subject", said, got=len(subject), expected=SUBJECT_MOST)
    if artifact.get("kind") == "sms" and len(body) > SMS_MOST:
        said = f"The text message has {len(body)} characters, at most {SMS_MOST}."
        yield error("sms_too_long", "body", said, got=len(body), expected=SMS_MOST)


def _check_ssn(part: Part) -> Iterator[Finding]:
    for start, end in find_numbers(part):
        path, place = part.place(start, end)
        said = f"{path} holds a number that looks like a social security number (characters {place['start']} to"
        yield error("ssn", path, f"{said} {place['end']}).", got=HIDDEN, expected="none", evidence=place)


def _check_pay(part: Part, asked: MessageContext) -> Iterator[Finding]:
    for one in find_statements(part.low):
        if asked.audience == "worker" and not one.theirs and one.value is not None and one.value == asked.pay_rate:
            continue
        path, place = part.place(one.start, one.end)
        got = part.plain[one.start : one.end]
        if asked.audience == "client":
            said, expected = f"{path} states pay ({got}); a client's message may not.", "no amount"
        elif asked.pay_rate is None:
            said, expected = f"{path} states pay ({got}), and the order's pay rate is not known.", "no amount"
        else:
            said, expected = f"{path} states pay ({got}); the order pays {asked.pay_rate} an hour.", str(asked.pay_rate)
        yield error("pay_rate", path, said, got=got, expected=expected, evidence=place)


def _check_seen(part: Part, asked: MessageContext, found: Collection[str]) -> Iterator[Finding]:
    """What only shows when the message is opened: ``219<b>-</b>09-9999``, ``&#36;31 an hour``."""
    text = as_seen(part.text)
    if text is None:
        return
    seen = Part.of(part.path, text)
    for one in (*_check_ssn(seen), *_check_pay(seen, asked)):
        if one.code not in found:
            yield replace(one, evidence={"seen": "with its markup and signs resolved; places are counted in that"})


def _check_mentions(artifact: Mapping[str, Any], asked: MessageContext, desk: Desk) -> Iterator[Finding]:
    """Ids of workers anywhere in the message: whoever is named must be there."""
    told = (replace(one, proposed=False) for one in mentions(artifact, own="_context"))
    own = frozenset() if asked.candidate_id is None else frozenset({normal_id(asked.candidate_id)})
    yield from check_mentions(told, own, desk)


def _check_name(main: Part, body: str, asked: MessageContext, desk: Desk) -> Iterator[Finding]:
    if asked.candidate_id is None:
        return
    found = desk.roster.find([asked.candidate_id]) if desk.roster else [None]
    worker = found[0]
    where = "_context.candidate_id"
    if worker is None:
        why = "is not on the roster" if desk.roster else "cannot be looked up: there is no roster"
        yield error("phantom_id", where, f"{asked.candidate_id} {why}.", got=asked.candidate_id)
        return
    if worker.name is None:
        yield Finding("not_checked", where, "info", f"The name was not checked: the roster has none for {worker.id}.")
        return
    if asked.name is not None and not same_name(asked.name, worker.name):
        said = f"{worker.id} is called {worker.name}, not {asked.name}."
        yield error("name_mismatch", "_context.name", said, got=asked.name, expected=worker.name)
    if asked.audience == "worker":
        yield from _check_greeting(body, worker, worker.name)
    else:
        yield from _check_named(main, body, worker, worker.name, desk)


def _check_greeting(body: str, worker: Worker, name: str) -> Iterator[Finding]:
    greeting = _GREETING.match(body)
    if greeting is None:
        return
    # "Mr. Soto" and "Jennifer" are both fine, and so is "Hi all".
    said = fold_name(greeting[1])
    if said not in {*fold_name(name).split(), "mr", "mrs", "ms", "all", "team", "there", "everyone", "again"}:
        message = f"The message greets {greeting[1]}; {worker.id} is called {name}."
        place = {"start": greeting.start(1), "end": greeting.end(1)}
        yield error("name_mismatch", "body", message, got=greeting[1], expected=name, evidence=place)


def _check_named(main: Part, body: str, worker: Worker, name: str, desk: Desk) -> Iterator[Finding]:
    """Whom a client's message speaks of: by id, by full name, else by first name."""
    ids = WORKER_ID.findall(main.plain)
    if ids and normal_id(worker.id) not in map(normal_id, ids):
        said = f"The message names {ids[0]}, and is about {worker.id}."
        yield error("name_mismatch", "body", said, got=ids[0], expected=worker.id, nearest_valid=(worker.id,))
    text, folded = fold_name(main.text), fold_name(name)
    if _names(text, folded):
        return
    first = folded.split()[0] if folded else ""
    others = _full_names(main.text[: max(main.cut - 1, 0)]) + _full_names(_behind_greeting(body))
    wrong = [one for one in others if _is_other(fold_name(one).split(), folded.split())]
    if not wrong and _names(text, first):
        return
    wrong = wrong or list(desk.roster.called(others) if desk.roster else ())
    if wrong:
        said = f"The message speaks of {wrong[0]}; {worker.id} is called {name}."
        yield error("name_mismatch", "body", said, got=wrong[0], expected=name, nearest_valid=(name,))
    else:
        said = f"The message does not name {name} ({worker.id})."
        yield Finding("name_missing", "body", "warning", said, None, name, (name,))


def _names(text: str, name: str) -> bool:
    return bool(name) and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _behind_greeting(body: str) -> str:
    """Without who is greeted, for he reads it; of "Hello Derek Malik," one word is left, and that is no full name."""
    greeting = _GREETING.match(body)
    return body[greeting.end(1) :] if greeting else body


def _is_other(said: list[str], own: list[str]) -> bool:
    """The same first name with a last name that is not the own one."""
    return said[:1] == own[:1] and any(word not in own for word in said)


def _full_names(text: str) -> list[str]:
    """Runs of capitalised words, each two neighbours in them: "Yes Irene Davis"."""
    runs = [match[0].split() for match in _FULL_NAME.finditer(text)]
    return [" ".join(pair) for words in runs for pair in pairwise(words)]
