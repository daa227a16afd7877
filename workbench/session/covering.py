"""What the logs keep of texts that people and models wrote: without what is personal, the people of the lake too."""

from __future__ import annotations

import re
from collections.abc import Callable

from workbench.errors import WorkbenchError
from workbench.llm.personal import WORKER, places
from workbench.pii import mask_text
from workbench.pii.kinds import COVER
from workbench.pii.roster import Roster

NOT_KEPT = f"{COVER * 6} (not kept: the people of the lake could not be read)"
_WORD = re.compile(r"[^\W\d_]{2}")


def covering(people: Callable[[], Roster]) -> Callable[[str], str]:
    """A mask that knows the people of a lake by name, also inside of JSON; ids of workers stay.

    ``people`` is asked when there is a text to cover, which may take seconds: use it in the thread of a log. Nothing of
    a text is kept when it cannot say who there is.
    """

    def cover(text: str) -> str:
        if not _WORD.search(text):
            return mask_text(text)
        try:
            roster = people()
        except WorkbenchError:
            return NOT_KEPT
        pieces, done = [], 0
        for place in places([text], roster)[0]:
            if place.label != WORKER:
                pieces += [text[done : place.start], COVER * 6]
                done = place.end
        return mask_text("".join([*pieces, text[done:]]))

    return cover
