"""A text as whoever opens the message sees it: without HTML tags, with its entities resolved, ② as 2."""

from __future__ import annotations

import html
import re
import unicodedata

_TAG = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.DOTALL)
_BREAKS = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|table|h[1-6])\b", re.IGNORECASE)


def as_seen(text: str) -> str | None:
    """What is seen of a text; None when that is the text itself. A tag that begins a line or a cell is a blank."""
    seen = _TAG.sub(lambda tag: " " if _BREAKS.match(tag[0]) else "", text) if "<" in text else text
    seen = html.unescape(seen) if "&" in seen else seen
    if not unicodedata.is_normalized("NFKC", seen):
        seen = unicodedata.normalize("NFKC", seen)
    return None if seen == text else seen
