"""What an ASCII text must have for `find` to find anything in it, as one pattern for a whole column at once (RE2).

Each line is a necessary condition of one of the finders, never a sufficient one: what matches is looked at, what does
not is passed over. A text with any sign beyond ASCII is always looked at. A test compares it with `find` over hostile
texts; who widens a finder widens its line here.
"""

from __future__ import annotations

from workbench.pii.accounts import IBAN_COUNTRIES
from workbench.pii.places import SUFFIXES

_GAP = r"[ \t.\-/\r\n>]"
_PHONE_WORDS = (
    "phone|phones|telephone|tel|mobile|mob|cell|cellular|call|called|calls|calling|text|texted|txt|sms|whatsapp|fax"
    "|ring|dial|voicemail|reach|reached|contact|number is|ph|telefono|celular"
    "|movil|llamame"
)
_CONDITIONS = (
    r"[^\x00-\x7f]",
    # keys
    r"sk[-_]|glpat-|xox|xapp-|[rp]k_live_|gh[pousr]_|github_pat_|hf_|npm_|AKIA|ASIA|AIza|SG\.|eyJ|-----BEGIN ",
    r"(?i:bearer|authorization: basic|passw|passcode|passphrase|pwd|hooks\.slack|pw[ \t:=]{1,3}[^\s]*[0-9])",
    r"""(?i:key|token|secret)["']?[ \t]{0,3}[:=]""",
    # e-mail addresses
    r"@|%40|(?i: dot |\(at\)|\[at\])",
    # places and days
    rf"(?s:[0-9].* (?:{SUFFIXES}|{SUFFIXES.upper()})\b)",
    r"(?i:o\.? ?box ?#? ?[0-9])",
    r"(?i:dob|birth|born|o\.b)",
    # social security numbers
    rf"[0-9]{{3}}{_GAP}{{1,8}}[0-9]{{2}}{_GAP}{{1,8}}[0-9]{{4}}",
    r"(?i:ssn|s\.s\.n|ss ?#|ss no|soc|seguro|seguridad|itin|taxpayer)",
    r"(?s:\n.*[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4})",
    # phones
    rf"[2-9][0-9]{{2}} ?\)?{_GAP}{{0,8}}[2-9][0-9]{{2}}{_GAP}{{1,8}}[0-9]{{4}}",
    r"\+[1-9](?:[-. ()/\t]{0,3}[0-9]){6}",
    r"0(?:0|11[-. ]{0,2})[1-9](?:[-. ()/\t]{0,3}[0-9]){8}",
    r"(?:^|\n)[ \t]*[tmcpTMCP][.:]?[ \t]{1,3}[0-9]",
    r"0[1-9][0-9]{1,3}(?:\) ?|[ -])[0-9]{3}(?:[0-9]{3}|[0-9]?[ -][0-9]{3})",
    rf"(?i:{_PHONE_WORDS})[^0-9a-zA-Z]?(?:[^0-9]{{0,19}})[0-9]{{3}}[-. )0-9]{{5}}",
    r"[0-9][ \t]{0,2}[(\[]?(?i:cell|mobile|phone|tel|fax|home|work)",
    # cards and accounts
    r"[2-6][0-9]{3}(?:[0-9]{9}|[-. ][0-9]{4}[-. 0-9]{5})",
    r"[2-6](?:[ \t]{1,2}[0-9]){12}|[2-6][0-9]{2,7}[-. \t\r\n>]{1,5}[0-9]{4}",
    rf"(?:^|[^0-9A-Za-z_])(?i:{IBAN_COUNTRIES})[0-9]{{2}}(?:[ -]?[A-Za-z0-9]){{11}}",
    r"(?i:account|acct|checking|routing|aba|rtn)[^0-9\n]{0,15}[0-9]{8}",
    r"(?i:sort[ -]?code)",
)
SUSPECT = "|".join(f"(?:{condition})" for condition in _CONDITIONS)
