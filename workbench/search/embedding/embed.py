"""Embedders: texts in, unit vectors out.

One protocol, several providers. The embedded default needs no server and no network: it reads the token vectors that
the ``wordllama`` wheel carries and never imports that package, whose own loader downloads and whose import configures
logging.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError, MissingExtraError
from workbench.search.vectors.distance import row_norms

Side = Literal["query", "document"]
"""Which side of a search a text stands on; some models put another prefix before each."""


class Embedder(Protocol):
    """Turns texts into vectors. An implementation keeps the laws of ``tests/laws/test_embedder_laws.py``."""

    @property
    def name(self) -> str:
        """Model id as shown and configured, for example ``wordllama-l2-256``."""

    @property
    def digest(self) -> str:
        """Identity of all that decides a vector (weights, tokenizer, pooling, prefixes), hexadecimal.

        Part of every cache key: two embedders with one digest give the same vector for the same text and side.
        """

    @property
    def dimension(self) -> int:
        """Length of every vector."""

    def embed(self, texts: Sequence[str], *, side: Side) -> NDArray[np.float32]:
        """Vectors of ``texts`` in their order, shape (len(texts), dimension), every row of length 1.

        A text has the same vector alone and in any batch. Raises InvalidError for an empty list, for an empty or
        blank text, and for a text in which the model finds nothing to embed; nothing is embedded then.
        """


def check_texts(texts: Sequence[str]) -> None:
    """Refuse what no embedder may be asked: no texts, something that is not text, an empty or blank text."""
    if isinstance(texts, str):
        raise InvalidError("One string was given where a list of texts is expected.", hint="Pass [text].")
    if not texts:
        raise InvalidError("There is no text to embed.", hint="Pass at least one text.")
    for place, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise InvalidError(f"Item {place} of {len(texts)} is not text but {type(text).__name__}.")
        if not text.strip():
            raise InvalidError(
                f"Text {place} of {len(texts)} is empty.", hint="Leave empty texts out; an empty text has no meaning."
            )
        if not text.isascii() and _has_surrogates(text):
            raise InvalidError(f"Text {place} of {len(texts)} is not valid Unicode.", hint="Pass it as UTF-8.")


# Weight of a token of frequency p: a / (a + p). Between 0.003 (best on an expert-labelled set of titles, ARCHITECTURE)
# and no weights at all, 0.03 ranked whole workers best on the tuning half of the labelled queries (docs/decisions.md).
_SIF_A = 0.03


class WordllamaEmbedder:
    """Embedded default: lower-cased text, the weighted sum of its token vectors, scaled to length 1.

    Vectors: ``wordllama`` 0.4 (MIT), 32,000 × 256 float16 taken from Llama-2's token embeddings. Each is weighted
    a / (a + p), p = how often the token stands in the shipped job titles (smooth inverse frequency, Arora et al. 2017):
    "operator" says less than "forklift". The counts are fixed in the package, so the vector of a text never depends
    on a corpus. A text may be as long as it likes. Both sides are alike: this model has no prefixes. Safe for threads:
    nothing changes after loading.

    ``package`` is the folder of the installed wheel; by default it is looked up. Raises MissingExtraError when the
    package or one of its two data files is not there, or holds another number of tokens than were counted.
    """

    name = "wordllama-l2-256"
    # Changing how tokens become a vector must change this text: it is what makes old cached vectors unusable.
    pooling = f"lower/sif-{_SIF_A}/unit/2"
    _weights = Path("weights") / "l2_supercat_256.safetensors"
    _tokenizer = Path("tokenizers") / "l2_supercat_tokenizer_config.json"

    def __init__(self, package: Path | None = None) -> None:
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        folder = package or _wordllama_folder()
        weights, tokenizer = _read(folder / self._weights), _read(folder / self._tokenizer)
        counts = token_counts()
        parts = (weights, tokenizer, counts.tobytes(), self.pooling.encode())
        self.digest = hashlib.sha256(b"\x1e".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
        self._table: NDArray[np.float16] = load(weights)["embedding.weight"]
        if len(self._table) != len(counts):
            raise MissingExtraError(
                f"The installed wordllama has {len(self._table):,} tokens; {len(counts):,} are expected.",
                hint="pip install --force-reinstall 'wordllama>=0.4.0.post1'",
            )
        self._token_weights = (_SIF_A / (_SIF_A + counts / counts.sum())).astype(np.float32)
        self.dimension = int(self._table.shape[1])
        self._tokens: Any = Tokenizer.from_str(tokenizer.decode("utf-8"))
        self._tokens.no_padding()
        self._tokens.no_truncation()

    def embed(self, texts: Sequence[str], *, side: Side) -> NDArray[np.float32]:  # noqa: ARG002 - both sides are alike
        """Vectors of ``texts``, shape (len(texts), 256), float32, unit rows. Errors as in ``Embedder.embed``."""
        check_texts(texts)
        sums = np.empty((len(texts), self.dimension), np.float32)
        for start in range(0, len(texts), _SLICE):
            self._sum([text.lower() for text in texts[start : start + _SLICE]], sums[start : start + _SLICE])
        return _unit_rows(sums)

    def _sum(self, texts: list[str], out: NDArray[np.float32]) -> None:
        tokens = [encoding.ids for encoding in self._tokens.encode_batch_fast(texts, add_special_tokens=False)]
        ids = np.fromiter(chain.from_iterable(tokens), np.int32)
        # Only the rows in use are widened and weighted: the whole table would double the start-up time of one query.
        present = np.zeros(len(self._table), np.bool_)
        present[ids] = True
        used = np.flatnonzero(present)
        table = self._table[used].astype(np.float32) * self._token_weights[used, None]
        rows = np.empty(len(self._table), np.int32)
        rows[used] = np.arange(len(used), dtype=np.int32)
        places = rows[ids]
        end = 0
        for row, own in enumerate(tokens):
            start, end = end, end + len(own)
            # One reduction per text: its bits must not depend on what else is in the batch.
            np.add.reduce(table.take(places[start:end], axis=0), axis=0, out=out[row])


@cache
def embedded() -> WordllamaEmbedder:
    """The embedded default of the installed package: loaded once (0.1 s of CPU time), for all that a process opens."""
    return WordllamaEmbedder()


# Tokenised texts take far more memory than their text; a slice bounds it and still feeds every core.
_SLICE = 2048


def token_counts() -> NDArray[np.uint32]:
    """How often each token of the embedded default stands in the shipped dictionary's titles, shape (32000,).

    Every title counts once for each occupation that has it. A test counts them anew.
    """
    packed = (files("workbench.search") / "data" / "token_counts.gz").read_bytes()
    return np.frombuffer(gzip.decompress(packed), "<u4")


def _has_surrogates(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # what a terminal hands over for bytes that are no UTF-8
        return True
    return False


def _unit_rows(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = row_norms(sums)
    if not lengths.all():
        place = int(np.flatnonzero(lengths == 0)[0]) + 1
        raise InvalidError(
            f"Text {place} of {len(sums)} has no word that the model knows.", hint="Leave it out or write it in words."
        )
    return (sums / lengths[:, None]).astype(np.float32)


def _wordllama_folder() -> Path:
    spec = find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "The embedded embedder needs the package wordllama, which is not installed.",
            hint="pip install 'wordllama>=0.4.0.post1'",
        )
    return Path(spec.submodule_search_locations[0])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingExtraError(
            f"The installed wordllama has no {path.parent.name}/{path.name}: {error.strerror}.",
            hint="pip install --force-reinstall 'wordllama>=0.4.0.post1'",
        ) from error
