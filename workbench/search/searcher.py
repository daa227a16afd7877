"""Search over the datasets of a lake: SQL narrows, meaning, words and trades rank, and the answer is never short."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from workbench import pii
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote
from workbench.search import notes
from workbench.search.answer import Freshness, Results, WhyNot
from workbench.search.corpora import Corpora, Indexed, OnBuild, OnEmbed, Opened, key_column
from workbench.search.embedding.embed import Embedder
from workbench.search.ranking.fusion import TEXT_ONLY, VECTOR_ONLY, Weights
from workbench.search.ranking.hits import Hit, Id, hit
from workbench.search.ranking.ranker import Probe, Ranked
from workbench.search.ranking.tuning import load_weights
from workbench.search.reading import near
from workbench.search.reading.gates import NO_LIMITS, Gate, Gatekeeper, Limits, Offers, funnel
from workbench.search.reading.reading import Reader, Understood
from workbench.search.reading.vocabulary import Titles, titles_of
from workbench.search.shown import shown_rows
from workbench.search.texts.corpus import Mask
from workbench.search.trade_roles import TradeLikeness, Trades, TradeTable
from workbench.trades.roles import grade
from workbench.trades.wording import fold

MAX_K = 1_000
MODES = ("hybrid", "vector", "text")
Mode = Literal["hybrid", "vector", "text"]

FAR_SCORE = {"hybrid": 0.28, "vector": 0.33, "text": 0.12}
"""Nothing is close below this best score; set on the tuning half of the labelled queries (docs/decisions.md)."""
_TRADE_SAID = 0.3
_PROBES = 100
_COVERED = 4096  # texts kept as they may be shown: searches go on among the same people


@dataclass(frozen=True, slots=True)
class Look:
    """A query prepared over one version of a dataset: what was understood, its gates, and the probe for the arms."""

    opened: Opened
    read: Understood
    probe: Probe
    trade: TradeLikeness | None
    keeper: Gatekeeper
    gates: tuple[Gate, ...]
    unknown: int
    weights: Weights
    asked_cities: tuple[str, ...] = ()


@dataclass
class Searcher:
    """Search over the datasets of ``lake`` with one embedder.

    ``cache_dir`` holds what is derived (vectors, graphs, word indexes) and can be deleted at any time. ``open_trades``
    gives the trade dictionary (called when first needed), ``places`` the coordinates for ``near:``, ``offers`` the SQL
    of words such as "night shift"; ``query_embedder`` is the same model behind a cache.
    """

    lake: Lake
    embedder: Embedder
    cache_dir: Path
    open_trades: Callable[[], Trades]
    places: Callable[[], Sequence[near.Place]]
    offers: Offers | None = None
    query_embedder: Embedder | None = None
    _tables: dict[tuple[str, ...], TradeTable] = field(default_factory=dict)
    _covered: Callable[[str], str] = field(default_factory=lambda: lru_cache(_COVERED)(pii.mask_text))

    @cached_property
    def corpora(self) -> Corpora:
        """The open corpora."""
        return Corpora(self.lake, self.embedder, self.cache_dir)

    @cached_property
    def trades(self) -> Trades:
        """The trade dictionary."""
        return self.open_trades()

    @cached_property
    def reader(self) -> Reader:
        """What reads queries."""
        return Reader(lambda: self._titles, lambda: self._cities, self.offers)

    @cached_property
    def _titles(self) -> Titles:
        return titles_of(self.trades.dictionary.titles)

    @cached_property
    def _cities(self) -> frozenset[str]:
        return frozenset(place.city for place in self.places())

    def index(self, ref: str, *, on_progress: OnEmbed | None = None, on_build: OnBuild | None = None) -> Indexed:
        """Take in what is new in a dataset, and build its graph when it is large and has none that is fresh.

        A dataset that has not changed costs nothing but a look.
        """
        titles = self.trades.dictionary.titles
        probes = [titles[at] for at in range(0, len(titles), max(len(titles) // _PROBES, 1))]
        return self.corpora.index(self.lake.get(ref), probes=probes, on_progress=on_progress, on_build=on_build)

    def weights_of(self, dataset: str) -> Weights:
        """How much each part counts in a dataset: as chosen by ``lh eval --choose``, else the default."""
        chosen = load_weights(self.cache_dir, dataset)
        return chosen.weights if chosen else Weights()

    def search(
        self,
        query: str,
        *,
        dataset: str = "workers",
        where: str = "",
        k: int = 10,
        role: str = "",
        city: str = "",
        exclude: Sequence[Id] = (),
        conditions: Sequence[tuple[str, str]] = (),
        mode: Mode = "hybrid",
        columns: Sequence[str] = (),
        show_pii: bool = False,
        on_progress: OnEmbed | None = None,
    ) -> Results:
        """The ``k`` best rows for ``query`` among those that match every condition; never fewer than min(k, matching).

        ``query`` may carry operators (``asked.parse``); ``where`` is any SQL condition, ``role`` and ``city`` are as
        ``role:`` and ``city:``, ``exclude`` are ids to leave out, ``conditions`` are (name, SQL) pairs that the funnel
        counts by their names. ``mode`` ranks by all parts, by meaning or by words alone. ``columns`` are shown beside
        each hit (default: the first few). Raises InvalidError for a query without a word or a k outside 1..1000,
        QueryError for a condition that the guard refuses, NotFoundError for a place or a column that is not there.
        """
        started = time.perf_counter()
        _check(query, k, mode)
        look = self.look(
            query, dataset, Limits(where, role, city, tuple(exclude), tuple(conditions)), mode, on_progress
        )
        manifest = look.opened.manifest
        steps, rows = funnel(manifest.name, manifest.row_count, look.gates, with_id=len(look.opened.corpus))
        ranked = look.opened.ranker.rank(look.probe, k, look.weights, rows=rows)
        hits, table = self._shown(look, ranked, columns, show_pii=show_pii)
        return Results(
            query=query,
            asked=look.read.asked,
            dataset=manifest.name,
            hits=hits,
            table=table,
            funnel=steps,
            freshness=Freshness.of(manifest.version, look.opened.fresh_rows, ranked.plan),
            coverage=ranked.coverage,
            nothing_close=is_far(ranked, mode),
            where=where,
            model=self.embedder.name,
            elapsed_s=time.perf_counter() - started,
            notes=self._notes(look, role, exclude),
        )

    def why_not(
        self,
        row: Id,
        query: str,
        *,
        dataset: str = "workers",
        where: str = "",
        k: int = 10,
        role: str = "",
        city: str = "",
        exclude: Sequence[Id] = (),
        conditions: Sequence[tuple[str, str]] = (),
        show_pii: bool = False,
    ) -> WhyNot:
        """Why the row with id ``row`` (``W-12`` or 12) is not among the first ``k``: the first gate that dropped it and
        the smallest change that would bring it in; or its rank and score, and those of the last hit.

        Raises as ``search`` does, and NotFoundError for an id that the dataset does not have.
        """
        _check(query, k, "hybrid")
        look = self.look(query, dataset, Limits(where, role, city, tuple(exclude), tuple(conditions)))
        own = look.keeper.ids_of([row])
        mask, unknown = look.opened.corpus.mask_of(own)
        if unknown or not mask.any():
            name, key = quote(look.opened.manifest.name), quote(look.opened.key.name)
            raise NotFoundError(
                f"{look.opened.manifest.name} has no row {row!r}.",
                hint=f"Ids look like these: lh sql {shlex.quote(f'SELECT {key} FROM {name} LIMIT 5')}",
            )
        place = int(np.flatnonzero(mask)[0])
        dropped = [gate for gate in look.gates if not gate.rows[place]]
        changes, rows = self._opened(look, dropped, mask)
        ranked, rank = look.opened.ranker.placed(look.probe, place, (k, MAX_K), look.weights, rows=rows)
        # Alone, but with the weights of that search: they depend on what it covers.
        alone = look.opened.ranker.propose(look.probe, 1, mask)
        alone = replace(alone, coverage=ranked.coverage)
        shown = self._shown(look, look.opened.ranker.order(alone, 1, look.weights, rows=mask), (), show_pii=show_pii)
        if rank is None:
            changes.append(f"narrow the search, for it ranks beyond {MAX_K:,}")
        elif rank > k:
            changes.append(f"ask for {rank}")
        (its_hit,), change = shown[0], " and ".join(changes)
        if dropped:
            return WhyNot(its_hit.id, dropped[0].name, change, hit=its_hit)
        last = float(ranked.scores[min(k, len(ranked.rows)) - 1])
        return WhyNot(its_hit.id, "", change, rank, its_hit.score, last, its_hit)

    def look(
        self,
        query: str,
        dataset: str,
        limits: Limits = NO_LIMITS,
        mode: Mode = "hybrid",
        on_progress: OnEmbed | None = None,
    ) -> Look:
        """Understand a query over the newest version of a dataset; nothing is ranked yet. Raises as ``search`` does."""
        manifest = self.lake.get(dataset)
        opened = self.corpora.of(manifest, on_progress)
        lexical = opened.ranker.lexical
        read = self.reader.read(query, limits, manifest, opened.corpus.rows.roles, lexical)
        keeper = Gatekeeper(
            manifest,
            opened.ranker,
            lambda sql: self._matching(manifest, sql),
            self._places,
            self._role_gate,
            self.offers,
            opened.gates,
        )
        gates, unknown = keeper.gates(read.asked, limits)
        trade = self._trade(opened, read.meaning, mode)
        vector = (self.query_embedder or self.embedder).embed([read.meaning], side="query")[0]
        weights = {"hybrid": self.weights_of(manifest.name), "vector": VECTOR_ONLY, "text": TEXT_ONLY}[mode]
        probe = Probe(vector, read.question, trade.values if trade else None)
        cities = (*(item.value for item in read.asked.cities), *([limits.city] if limits.city else []))
        return Look(opened, read, probe, trade, keeper, gates, unknown, weights, cities)

    def _notes(self, look: Look, role: str, exclude: Sequence[Id]) -> tuple[str, ...]:
        asked = look.read.asked
        names = (*asked.excluded, *exclude)
        strangers = [name for name in names if not look.opened.corpus.mask_of(look.keeper.ids_of([name]))[0].any()]
        nowhere = any(gate.kind == "city" and not gate.rows.any() for gate in look.gates)
        return (
            *(change.says for change in look.read.changes),
            *notes.of_roles((*asked.roles, *([role] if role else [])), self.trades.role),
            *notes.of_excluded(strangers, look.opened.manifest.name),
            *(notes.of_cities(look.asked_cities, self._cities) if nowhere else ()),
        )

    def _matching(self, manifest: Manifest, sql: str) -> pa.Array:
        return self.lake.queries.matching(manifest, key_column(manifest).name, sql)

    def _places(self) -> Sequence[near.Place]:
        """The lake's own table of places, else the shipped one."""
        if self.lake.catalog.find("places") is None:
            return self.places()
        sql = "SELECT city, state, latitude, longitude FROM places"
        return near.spots(self.lake.sql(sql, access=Access(row_cap=None, show_pii=True)).table)

    def _role_gate(self, role: str, known: Sequence[str]) -> list[bool]:
        """Which role texts are of the trade asked for; where the trade is not known, those of that name.

        Where a dataset has the very role, its name settles what an ambiguous title means: "picker" lets no assembler
        pass, though some dictionary title is both.
        """
        asked = self.trades.role(role)
        named = [fold(name) == fold(role) for name in known]
        if not asked.ranked or (any(named) and asked.ambiguous):
            return named
        matches = map(self.trades.role, known)
        of_trade = [grade(asked, match) == "same" and not (any(named) and match.ambiguous) for match in matches]
        return [name or trade for name, trade in zip(named, of_trade, strict=True)]

    def _trade(self, opened: Opened, meaning: str, mode: Mode) -> TradeLikeness | None:
        """How like the query's trade the roles of a dataset are; None where there are none, or no word says it."""
        if not opened.corpus.rows.roles or mode != "hybrid":
            return None
        try:
            return self.trades.likeness(meaning, self._table(opened))
        except InvalidError:
            return None

    def _table(self, opened: Opened) -> TradeTable:
        roles = opened.corpus.rows.roles
        if roles not in self._tables:
            self._tables = {roles: self.trades.table(roles)}
        return self._tables[roles]

    def _shown(
        self, look: Look, ranked: Ranked, columns: Sequence[str], *, show_pii: bool
    ) -> tuple[tuple[Hit, ...], pa.Table]:
        manifest = look.opened.manifest
        ids = look.opened.corpus.ids.take(pa.array(ranked.rows)).to_pylist()
        rows = shown_rows(self.lake, look.opened, ranked.rows, ids, columns)
        texts = rows.column(rows.num_columns - 1).to_pylist()
        if not show_pii:
            texts = [self._covered(text) for text in texts]
        slots = look.opened.corpus.rows.slots[ranked.rows]
        hits = tuple(
            hit(
                row,
                float(ranked.scores[at]),
                ranked.parts(at),
                look.read.question,
                texts[at],
                self._said(look, slots[at]),
            )
            for at, row in enumerate(ids)
        )
        table = rows.select(range(rows.num_columns - 1))
        return hits, table if show_pii else pii.mask_table(table, manifest.pii)

    def _said(self, look: Look, slot: int) -> str:
        """What occupation a text's role shares with the query, in words; "" where it is not worth a word."""
        code = int(look.opened.corpus.rows.role_of[slot]) if slot >= 0 else -1
        if code < 0 or look.trade is None or look.trade.values[code] < _TRADE_SAID:
            return ""
        named, table = look.trade.named, self._table(look.opened)
        if named and look.trade.values[code] == 1.0:
            return named.says
        shared = self.trades.profiles.explain(look.trade.profile, table.profiles.row(code), most=1)
        role = look.opened.corpus.rows.roles[code]
        return f"{role} = {shared[0].occupation.title} (O*NET {shared[0].occupation.short})" if shared else ""

    def _opened(self, look: Look, dropped: Sequence[Gate], own: Mask) -> tuple[list[str], Mask | None]:
        """The smallest changes that open the gates which drop one row, ``own`` (n,), and the rows that pass then."""
        changes = []
        kept = [gate.rows for gate in look.gates if (gate.rows & own).any()]
        for gate in dropped:
            what = gate.drop
            if gate.kind == "where":
                what, still = self._clauses(look, gate, own)
                kept += [still] if still is not None else []
            elif gate.kind == "exclude":
                corpus = look.opened.corpus
                names = [
                    name
                    for name in look.read.asked.excluded
                    if (corpus.mask_of(look.keeper.ids_of([name]))[0] & own).any()
                ]
                what = f'-"{names[0]}"' if names else "its id from those that are excluded"
                kept.append(gate.rows | own)
            changes.append(f"leave out {what}")
        return changes, np.logical_and.reduce(kept) if kept else None

    def _clauses(self, look: Look, gate: Gate, own: Mask) -> tuple[str, Mask | None]:
        """The parts of a condition that drop a row, and the rows that pass the others (None: there are no others)."""
        corpus, failed, passed = look.opened.corpus, [], []
        try:
            clauses = self.lake.queries.clauses(look.opened.manifest, gate.sql)
        except QueryError:  # it names another version of a dataset; it can be run, not taken apart
            return gate.drop, None
        for clause in clauses:
            rows = corpus.mask_of(self._matching(look.opened.manifest, clause))[0]
            if (rows & own).any():
                passed.append(rows)
            else:
                failed.append(clause)
        return " and ".join(failed) or gate.drop, np.logical_and.reduce(passed) if passed else None


def _check(query: str, k: int, mode: str) -> None:
    if not query.strip():
        raise InvalidError("There is nothing to search for.", hint='lh search "forklift operator, nights"')
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is {k}; it can be 1 to {MAX_K:,}.", hint="-k 10")
    if mode not in MODES:
        raise InvalidError(f"There is no mode {mode!r}.", hint=f"One of: {', '.join(MODES)}.")


def is_far(ranked: Ranked, mode: str = "hybrid") -> bool:
    """Whether even the best of what was ranked is far from the query."""
    return not len(ranked.rows) or float(ranked.scores[0]) < FAR_SCORE[mode]
