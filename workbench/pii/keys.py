"""Secrets: keys and tokens that begin as their issuers make them, bearer tokens, passwords that are said to be one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from workbench.pii.kinds import COVER, Kind, Span

# What each issuer writes in front of its secrets: OpenAI and Anthropic, Stripe, GitHub, GitLab, Slack, AWS, Google,
# Hugging Face, SendGrid, npm, JSON web tokens (RFC 7519).
_BEGINNINGS = {
    "-": ("sk-", "glpat-", "xox", "xapp-"),
    "_": ("sk_", "rk_live_", "pk_live_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "hf_", "npm_"),
    "": ("AKIA", "ASIA", "AIza", "SG.", "eyJ"),
}
_DIGIT = re.compile("[0-9]")
_TOKEN = re.compile(
    r"(?<![\w-])(?:sk-[\w-]{20,}+|(?:sk_(?:live|test)|[rp]k_live)_\w{10,}+|gh[pousr]_\w{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
    r"|xox[a-z]-[\w-]{8,}+|xapp-[\w-]{8,}+|(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|AIza[\w-]{30,}+|hf_\w{20,}+"
    r"|SG\.[\w-]{16,}+\.[\w-]{16,}+|npm_\w{30,}+|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?)",
    re.ASCII,
)
_BEARERS = ("bearer", "authorization: basic")
_CREDENTIAL = re.compile(r"[ \t]{1,4}([A-Za-z0-9._~+/=-]{16,}+)")
_NAMES = ("password", "passwd", "pwd", "key", "token", "secret")
_KEY_OF = re.compile(r"(?:api|secret|access|private|client|auth|refresh|account|storage|shared)[ _-]?\Z")
_VALUE = re.compile(rf"[\"']?[ \t]{{0,3}}[:=][ \t]{{0,3}}[\"']?([^\s\"'{COVER},;<>]{{6,}}+)")
_IN_URL = re.compile(rf"://[^\s:/@{COVER}]*+:([^\s/@{COVER}]{{3,}}+)@")
# "my password is hunter22", "pw hunter22": with a digit in it, or it is what is said about a password.
_SAID = re.compile(
    r"(?<![a-z])(?:pass(?:word|code|phrase)|pw|pwd)(?:[ \t]{1,2}(?:is|was|=)[ \t:]{1,3}|(?<=pw)[ \t:=]{1,3})[\"']?"
    rf"(?=[^\s0-9]{{0,64}}[0-9])([^\s\"'{COVER},;<>]{{5,64}}[^\s\"'{COVER},;<>.!?)])",
    re.IGNORECASE,
)
# The secret part of an address that posts into Slack.
_HOOK = re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/(\w[\w/-]{15,}+)", re.ASCII | re.IGNORECASE)
_LONG = 24
_MIXED = re.compile(r"[a-z][A-Z].*[a-z][A-Z]")
_PRIVATE = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PRIVATE_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


def find_keys(plain: str, low: str) -> Iterator[Span]:
    """Secrets with the beginning of an issuer, bearer tokens, ``password: …``, ``://user:…@``, private key blocks."""
    yield from _issued(plain, low)
    if "pass" in low or "pw" in low:
        yield from (Span(*match.span(1), Kind.KEY) for match in _SAID.finditer(plain))
    if "hooks.slack" in low:
        yield from (Span(*match.span(1), Kind.KEY) for match in _HOOK.finditer(plain))
    if ":" in plain or "=" in plain:
        yield from (span for name in _NAMES for span in _named(plain, low, name))
    if "://" in plain and "@" in plain:
        yield from (Span(*match.span(1), Kind.KEY) for match in _IN_URL.finditer(plain))
    if "-" in plain and "-----BEGIN " in plain:
        yield from _private_keys(plain)


def _issued(plain: str, low: str) -> Iterator[Span]:
    for mark, beginnings in _BEGINNINGS.items():
        if mark in plain:
            # Almost no text has one, and looking is cheaper than beginning to look for all places.
            here = [beginning for beginning in beginnings if beginning in plain]
            yield from (span for beginning in here for span in _tokens(plain, beginning))
    for word in [word for word in _BEARERS if word in low]:
        found = (_CREDENTIAL.match(plain, place) for place in _ends(low, word))
        yield from (Span(*match.span(1), Kind.KEY) for match in found if match and _has_digit(match[1]))


def _ends(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place + len(word)
        place = text.find(word, place + len(word))


def _tokens(plain: str, beginning: str) -> Iterator[Span]:
    for place in _ends(plain, beginning):
        token = _TOKEN.match(plain, place - len(beginning))
        if token and _is_random(token[0]):
            yield Span(*token.span(), Kind.KEY)


def _named(plain: str, low: str, name: str) -> Iterator[Span]:
    """``password: …``; ``api_key=…`` and the like only with a digit in it: "access key: ask the lead" is none."""
    password = name.startswith("p")
    place = low.find(name)
    while place >= 0:
        end = place + len(name)
        is_secret = password or _KEY_OF.search(low, max(place - 9, 0), place)
        value = _VALUE.match(plain, end) if is_secret else None
        if value and (_is_password(name, value[1]) if password else _has_digit(value[1])):
            yield Span(*value.span(1), Kind.KEY)
        # On behind the value: what is named inside it ends where it ends, and "key=key=key=" is read once.
        place = low.find(name, value.end() if value else end)


def _is_password(name: str, value: str) -> bool:
    """``pwd: /srv/lake`` says which folder it is."""
    return name != "pwd" or not value.startswith(("/", "~", "./"))


def _has_digit(text: str) -> bool:
    return _DIGIT.search(text) is not None


def _is_random(token: str) -> bool:
    """With a digit, or long and with capitals among its small letters, or all capitals: no words with a dash."""
    body = token[token.find("_") + 1 :]
    return _has_digit(token) or token.isupper() or (len(body) >= _LONG and bool(_MIXED.search(body)))


def _private_keys(plain: str) -> Iterator[Span]:
    begins = _PRIVATE.search(plain)
    while begins:
        # A block without its last line was cut off: the rest of the text is taken for the key.
        ends = _PRIVATE_ENDS.search(plain, begins.end())
        yield Span(begins.start(), ends.end() if ends else len(plain), Kind.KEY)
        begins = _PRIVATE.search(plain, ends.end()) if ends else None
