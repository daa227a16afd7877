"""Secrets, names and worker ids of the corpus of `_pii_corpus`, in each notation; the numbers are in `_pii_values`."""

from __future__ import annotations

import base64
import json
import random
import string
import unicodedata
from collections.abc import Callable

from _pii_values import Make, Value, digits, roster

_ALNUM, _B64 = string.ascii_letters + string.digits, string.ascii_letters + string.digits + "+/"


def _token(prefix: str, length: int, letters: str = _ALNUM) -> Make:
    """Parts of the prefix are joined here, so that no scanner takes this file for a leak."""
    joined = prefix.replace("|", "")
    return lambda rng: Value(joined + "".join(rng.choices(letters, k=length)))


def _within(make: Make, *around: tuple[str, str]) -> Make:
    def made(rng: random.Random) -> Value:
        before, after = rng.choice(around)
        return Value(make(rng).text, before, after, wide=True)

    return made


def _password(rng: random.Random) -> Value:
    """A password as people make them: a word, digits and a sign, or random letters."""
    word = rng.choice(["Sunrise", "forklift", "Bluebird", "Chicago", "tr0ub4dor", "Pallet", "winter", "Nursing"])
    made = f"{word}{rng.choice('!#$%&*_')}{digits(rng, rng.choice([2, 4]))}"
    return Value(rng.choice([made, "".join(rng.choices(_ALNUM, k=14))]))


def _jwt(rng: random.Random) -> Value:
    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    head = part({"alg": "HS256", "typ": "JWT"})
    return Value(
        f"{head}.{part({'sub': digits(rng, 8), 'iat': 1_760_000_000})}.{''.join(rng.choices(_ALNUM + '-_', k=43))}"
    )


def _key_block(rng: random.Random) -> Value:
    name = rng.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "]) + "PRIVATE KEY"
    lines = ["".join(rng.choices(_B64, k=64)) for _ in range(rng.choice([3, 12, 25]))]
    return Value("\n".join([f"-----BEGIN {name}-----", *lines, f"-----END {name}-----"]), "\n", "\n")


def _key_in_json(rng: random.Random) -> Value:
    text = _key_block(rng).text.replace("\n", "\\n")
    return Value(text, '{"private_key": "', '\\n"}', wide=True)


def _two(first: Make, between: str, second: Make) -> Make:
    return lambda rng: Value(f"{first(rng).text}{between}{second(rng).text}")


SECRET: dict[str, Make] = {
    "aws_id": _token("AK|IA", 16, string.ascii_uppercase + "234567"),
    "aws_temporary_id": _token("AS|IA", 16, string.ascii_uppercase + "234567"),
    "aws_secret": _within(
        _token("", 40, _B64),
        ("aws_secret_access_key = ", ""),
        ("AWS_SECRET_ACCESS_KEY=", ""),
        ('"SecretAccessKey": "', '"'),
    ),
    "openai": _two(_token("sk|-", 20), "T3Blbk" + "FJ", _token("", 20)),
    "openai_project": _token("sk|-proj-", 80, _ALNUM + "-_"),
    "anthropic": _token("sk|-ant-api03-", 93, _ALNUM + "-_"),
    "github_classic": _token("gh|p_", 36),
    "github_server": _token("gh|s_", 36),
    "github_fine": _two(_token("github_|pat_", 22), "_", _token("", 59)),
    "gitlab": _token("gl|pat-", 20, _ALNUM + "-_"),
    "slack": _two(_token("xo|xb-", 12, string.digits), "-", _token("", 24)),
    "slack_hook": _within(
        lambda rng: Value(f"T{digits(rng, 8)}/B{digits(rng, 8)}/{''.join(rng.choices(_ALNUM, k=24))}"),
        ("https://hooks.slack" + ".com/services/", ""),
    ),
    "stripe": _token("sk|_live_", 24),
    "google": _token("AI|za", 35, _ALNUM + "-_"),
    "hugging_face": _token("h|f_", 34, string.ascii_letters),
    "sendgrid": _two(_token("S|G.", 22, _ALNUM + "-_"), ".", _token("", 43, _ALNUM + "-_")),
    "npm": _token("np|m_", 36),
    "jwt": _jwt,
    "bearer": _within(
        _token("", 40, _ALNUM + "-._~+/"),
        ("Authorization: Bearer ", ""),
        ("authorization: bearer ", ""),
        ("-H 'Authorization: Bearer ", "'"),
    ),
    "basic": _within(
        lambda rng: Value(base64.b64encode(f"svc_{digits(rng, 3)}:{_password(rng).text}".encode()).decode()),
        ("Authorization: Basic ", ""),
    ),
    "private_key": _key_block,
    "private_key_in_json": _key_in_json,
    "password_in_url": _within(
        lambda rng: Value(_password(rng).text.replace("#", "%23").replace("%", "%25")),
        ("postgresql://svc_report:", "@db.example.com:5432/payroll"),
        ("https://ana:", "@files.example.com/timesheets.csv"),
        ("amqp://worker:", "@10.0.4.12:5672/"),
        ("redis://:", "@cache.example.net:6379/0"),
    ),
    "password_assigned": _within(
        _password,
        ("password=", ""),
        ("DB_PASSWORD=", ""),
        ('"password": "', '"'),
        ("pwd: ", ""),
        ("passwd = '", "'"),
        ("PGPASSWORD=", " psql -h db"),
    ),
    "password_said": _within(
        _password,
        ("my password is ", ""),
        ("Password: ", ""),
        ("the temporary password is ", ""),
        ("login ana / pw ", ""),
    ),
    "api_key_assigned": _within(
        _token("", 32, _ALNUM),
        ("api_key=", ""),
        ("X-Api-Key: ", ""),
        ('"client_secret": "', '"'),
        ("?access_token=", "&page=2"),
        ("secret_key: ", ""),
    ),
    "account_key": _within(
        lambda rng: Value("".join(rng.choices(_B64, k=86)) + "=="),
        ("DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=", ";EndpointSuffix=core.windows.net"),
    ),
}


def _name(form: str) -> Make:
    def make(rng: random.Random) -> Value:
        who = rng.choice(roster())
        return Value(form.format(f=who.first, l=who.last, i=who.first[0], j=who.last[0], m=rng.choice("ABDJLMRST")))

    return make


def _whole(change: Callable[[str], str]) -> Make:
    return lambda rng: Value(change(rng.choice(roster()).name))


def _no_accents(name: str) -> str:
    name = name.replace("Ł", "L").replace("ł", "l").replace("Ø", "O").replace("ø", "o").replace("ı", "i")
    return "".join(letter for letter in unicodedata.normalize("NFD", name) if not unicodedata.combining(letter))


def _accented(change: Callable[[str], str]) -> Make:
    """Only of names that have something to change."""
    return lambda rng: Value(change(rng.choice([w.name for w in roster() if change(w.name) != w.name])))


NAME: dict[str, Make] = {
    "full": _name("{f} {l}"),
    "reversed": _name("{l}, {f}"),
    "upper_case": _whole(str.upper),
    "upper_reversed": lambda rng: Value(_name("{l}, {f}")(rng).text.upper()),
    "lower_case": _whole(str.lower),
    "possessive": lambda rng: Value(rng.choice(roster()).name, "", rng.choice(["'s", "’s"])),
    "no_accents": _accented(_no_accents),
    "decomposed": _accented(lambda name: unicodedata.normalize("NFD", name)),
    "curly_apostrophe": _accented(lambda name: name.replace("'", "’")),
    "middle_initial": _name("{f} {m}. {l}"),
    "initial_last": _name("{i}. {l}"),
    "first_initial": _name("{f} {j}."),
    "line_break": _name("{f}\n{l}"),
    "no_break_space": _name("{f}\u00a0{l}"),
    "two_spaces": _name("{f}  {l}"),
    "two_columns": _name("{f},{l}"),
    "file_name": lambda rng: Value("_".join(rng.choice(roster()).name.split()), "", "_resume.pdf"),
    "with_title": lambda rng: Value(rng.choice(roster()).name, rng.choice(["Mr. ", "Ms. ", "Dr. "]), "", wide=True),
}
NAME_FIRST: dict[str, Make] = {
    "first_only": _name("{f}"),
    "first_only_lower": lambda rng: Value(rng.choice(roster()).first.lower()),
    "first_only_upper": lambda rng: Value(rng.choice(roster()).first.upper()),
}
NAME_LAST: dict[str, Make] = {
    "last_only": _name("{l}"),
    "last_only_upper": lambda rng: Value(rng.choice(roster()).last.upper()),
}


def _worker(form: str) -> Make:
    return lambda rng: Value(form.format(n=rng.choice(roster()).id[2:]))


WORKER: dict[str, Make] = {
    "plain": _worker("W-{n}"),
    "lower_case": _worker("w-{n}"),
    "no_dash": _worker("W{n}"),
    "spaces_around_dash": _worker("W - {n}"),
    "space": _worker("W {n}"),
    "en_dash": _worker("W–{n}"),
    "no_break_hyphen": _worker("W\u2011{n}"),
    "full_width": _worker("Ｗ－{n}"),
    "underscore": _worker("W_{n}"),
    "number_sign": lambda rng: Value(rng.choice(roster()).id, "#"),
    "in_path": lambda rng: Value(rng.choice(roster()).id, "/lake/workers/", ".json"),
    "letters_touching": lambda rng: Value(rng.choice(roster()).id, "id", ""),
}
WORKER_SAID: dict[str, Make] = {"number_alone": _worker("{n}")}
