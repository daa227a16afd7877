"""Tuning: the weights of a corpus chosen by labelled queries, kept in a small file, and never by faith."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec

from workbench.errors import ConfigError, InvalidError
from workbench.search.ranking.fusion import Weights
from workbench.search.vectors.segment import disk_errors

GRID = tuple(
    Weights(1.0, words, trade, power)
    for words, trade, power in itertools.product((0.0, 1.0, 2.0, 4.0, 8.0), (0.0, 0.3, 0.6, 1.2), (1.0, 2.0, 3.0))
    if words or power == 2.0
)


class Chosen(msgspec.Struct, frozen=True):
    """Weights chosen for a dataset: on how many queries, their nDCG@10 then and that of the default, and when."""

    meaning: float
    words: float
    trade: float
    power: float
    queries: int
    ndcg: float
    ndcg_before: float
    chosen_at: str

    @property
    def weights(self) -> Weights:
        """As a ranker takes them."""
        return Weights(self.meaning, self.words, self.trade, self.power)


def weights_path(cache_dir: Path, dataset: str) -> Path:
    """Where the weights of a dataset are kept."""
    return cache_dir / "weights" / f"{dataset}.json"


def load_weights(cache_dir: Path, dataset: str) -> Chosen | None:
    """The weights chosen for a dataset, or None. Raises ConfigError for a file that is not one."""
    path = weights_path(cache_dir, dataset)
    try:
        chosen = msgspec.json.decode(path.read_bytes(), type=Chosen)
        Weights(chosen.meaning, chosen.words, chosen.trade, chosen.power)
        return chosen
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, InvalidError) as error:
        raise ConfigError(
            f"The weights in {path} cannot be read: {error}.",
            hint=f"Remove it, or choose again: lh eval --choose --in {dataset}",
        ) from error


def save_weights(cache_dir: Path, dataset: str, chosen: Chosen) -> None:
    """Keep the weights of a dataset, in place of earlier ones. Raises ConfigError for the disk."""
    path = weights_path(cache_dir, dataset)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(chosen), indent=2))
        partial.replace(path)
