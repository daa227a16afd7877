"""What embedders behind a server have in common: batches, checks of every answer, windows, one request at a time."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConflictError, ProviderError
from workbench.outbound import Outbound
from workbench.search.embedding.embed import Side, check_texts
from workbench.search.embedding.prefixes import Prefixes, prefixes_of
from workbench.search.embedding.whole import Embedded, too_long
from workbench.search.vectors.distance import row_norms

BATCH_TEXTS = 32
# Two vectors of one text nearer than this are the same but for rounding.
_SAME_COSINE = 0.999
_PROBES = ("forklift operator, night shift", "registered nurse", "reach truck, pallet jack and RF scanner " * 2)
# How often it is checked that the server still has the model whose digest is in use.
_RECHECK_S = 60.0
# Changing how an answer becomes a vector must change this text.
_SCHEME = "prefix/unit/1"
# How servers say that a text is beyond the window:
# Ollama "the input length exceeds the context length" (ollama#14186), and in server/routes.go "input exceeds maximum
# context length and cannot be truncated further"; llama.cpp "input (… tokens) is too large to process" and "exceeds the
# available context size"; OpenAI and vLLM "This model's maximum context length is 8192 tokens, however you requested
# 8610 tokens"; text-embeddings-inference "`inputs` must have less than 512 tokens"; OpenAI for a whole request "max
# 300000 tokens per request".
_TOO_LONG = re.compile(
    r"context (length|size|window)|too large to process|must have less than \d+ tokens"
    r"|maximum (model|sequence|input) length|tokens per request",
    re.IGNORECASE,
)


class RemoteEmbedder(ABC):
    """An embedder whose model runs in a server. Safe for threads; sends one request at a time.

    One at a time because Ollama's vectors have changed with parallel requests (ollama#6262); for the same reason the
    first use embeds a text alone and inside a batch, and if the two differ every batch has one text. Nothing is asked
    of the server before ``digest``, ``dimension`` or a vector is wanted.
    """

    def __init__(
        self,
        server: Outbound,
        model: str,
        *,
        prefixes: Prefixes | None,
        dimensions: int | None,
        batch_texts: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.server = model, server
        self.prefixes = prefixes_of(model) if prefixes is None else prefixes
        self._dimensions, self._batch_texts, self._clock = dimensions, batch_texts, clock
        self._asking = threading.RLock()
        self._digest = ""
        self._dimension = 0
        self._checked = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.server.endpoint.url!r})"

    @abstractmethod
    def _identity(self) -> str:
        """What tells this model's weights from others on the server."""

    @abstractmethod
    def _ask(self, texts: list[str]) -> list[list[float]]:
        """One request: the vectors of ``texts`` as the server gives them."""

    @property
    def digest(self) -> str:
        """SHA-256 over the model's identity, its prefixes and how an answer becomes a vector; asks the server once."""
        if not self._digest:
            with self._asking:
                self._digest = self._digest or self._digest_now()
                self._checked = self._clock()
        return self._digest

    @property
    def dimension(self) -> int:
        """Length of every vector; found by embedding a few words."""
        if not self._dimension:
            with self._asking:
                self._dimension = self._dimension or self._probe()
        return self._dimension

    def embed(self, texts: Sequence[str], *, side: Side) -> NDArray[np.float32]:
        """Vectors of ``texts``, shape (len(texts), dimension), float32, unit rows.

        Errors as in ``Embedder.embed`` and ``Outbound``; TooLargeError names the texts beyond the model's window.
        """
        found = self.embed_fitting(texts, side=side)
        if len(found.long):
            raise too_long(self.name, found.long, len(texts))
        return found.vectors

    def embed_fitting(self, texts: Sequence[str], *, side: Side) -> Embedded:
        """As ``embed``, but texts beyond the window are named and their rows are zero."""
        check_texts(texts)
        sent = [self.prefixes.on(text, side) for text in texts]
        out = np.zeros((len(texts), self.dimension), np.float32)
        long: list[int] = []
        for start in range(0, len(sent), self._batch_texts):
            self._fill(sent, range(start, min(start + self._batch_texts, len(sent))), out, long)
        return Embedded(out, np.array(long, np.int64))

    def close(self) -> None:
        """Close the connections to the server."""
        self.server.close()

    def _fill(self, sent: list[str], places: range, out: NDArray[np.float32], long: list[int]) -> None:
        """Embed the texts at ``places`` into ``out``; a server does not say which text is too long, so halve."""
        try:
            out[places.start : places.stop] = self._vectors([sent[place] for place in places])
        except ProviderError as error:
            if not is_too_long(int(error.details.get("status", 0)), str(error.details.get("said", ""))):
                raise
            if len(places) == 1:
                long.append(places.start)
                return
            middle = places.start + len(places) // 2
            self._fill(sent, range(places.start, middle), out, long)
            self._fill(sent, range(middle, places.stop), out, long)

    def _vectors(self, sent: list[str]) -> NDArray[np.float32]:
        with self._asking:
            self._check_same_model()
            return self._checked_rows(self._ask(sent), len(sent))

    def _check_same_model(self) -> None:
        if not self._digest or self._clock() - self._checked < _RECHECK_S:
            return
        if self._digest_now() != self._digest:
            raise ConflictError(
                f"{self.server.endpoint.name} has another {self.name} than a moment ago.",
                hint="Start again: what is embedded from now on belongs to the new model.",
            )
        self._checked = self._clock()

    def _digest_now(self) -> str:
        parts = (_SCHEME, self._identity(), str(self._dimensions or ""), self.prefixes.query, self.prefixes.document)
        return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()

    def _probe(self) -> int:
        prefixed = [self.prefixes.on(text, "document") for text in _PROBES]
        alone = self._vectors(prefixed[:1])
        if self._batch_texts > 1:
            together = self._vectors(prefixed)
            if together.shape[1] != alone.shape[1] or float(together[0] @ alone[0]) < _SAME_COSINE:
                self._batch_texts = 1
        return int(alone.shape[1])

    def _checked_rows(self, rows: list[list[float]], count: int) -> NDArray[np.float32]:
        if len(rows) != count:
            raise self._wrong(f"gave {len(rows)} vectors for {count} texts")
        try:
            with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite and is refused as such
                matrix: NDArray[Any] = np.array(rows, np.float32)
        except ValueError as error:
            raise self._wrong("gave vectors of several lengths") from error
        if self._dimension and matrix.shape[1] != self._dimension:
            raise self._wrong(f"gave vectors of length {matrix.shape[1]} where it gave {self._dimension} before")
        if not matrix.shape[1]:
            raise self._wrong("gave vectors of length 0")
        if not np.isfinite(matrix).all():
            raise self._wrong("gave a vector with NaN or infinity")
        lengths = row_norms(matrix)
        if not lengths.all():
            raise self._wrong("gave a zero vector")
        return (matrix / lengths[:, None]).astype(np.float32)

    def _wrong(self, what: str) -> ProviderError:
        endpoint = self.server.endpoint
        return ProviderError(
            f"{endpoint.name} at {endpoint.url} {what} ({self.name}).",
            hint="Restart the model server, or choose another model; nothing of this answer was kept.",
        )


def is_too_long(status: int, said: str) -> bool:
    """Whether a refusal means that a text is beyond the model's window; some servers say so with status 500."""
    return status >= 400 and bool(_TOO_LONG.search(said))
