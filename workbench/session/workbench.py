"""The `Workbench`: owns what is open, one noun per domain, the daily verbs also on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workbench.settings import Settings

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    from numpy.typing import NDArray

    # the engines are loaded by the verbs that use them, so that each waits for its own only
    from workbench.lake.expectations import Expectation
    from workbench.lake.findings import Finding
    from workbench.lake.health import Check
    from workbench.lake.lake import Lake
    from workbench.lake.loading.report import Report
    from workbench.lake.saving import Saved
    from workbench.lake.sql.binding import Params
    from workbench.lake.sql.engine import Progress, Watch
    from workbench.lake.sql.lazy import Relation
    from workbench.lake.sql.query import Answer
    from workbench.lake.sql.typed.placeholders import Filled
    from workbench.lake.tables.catalog import Catalog
    from workbench.lake.tables.manifest import Manifest
    from workbench.lake.tables.storage import Storage
    from workbench.llm.attempts import Run
    from workbench.llm.models import Models
    from workbench.search.answer import Results, WhyNot
    from workbench.search.corpora import OnEmbed
    from workbench.search.embedding.cache import CachedEmbedder
    from workbench.search.embedding.embed import Embedder, Side
    from workbench.search.journal import Journal
    from workbench.search.named.store import VectorStore
    from workbench.search.searcher import Searcher
    from workbench.search.trade_roles import Trades
    from workbench.session.desk import OrderDesk
    from workbench.session.folders import Folders
    from workbench.session.judging import Judging
    from workbench.session.logs import Logs
    from workbench.session.people import KnownPeople
    from workbench.session.searching import Searching
    from workbench.staffing.desk import OrderRef, Recorded, SavedSearch, Shortlist, WorkerRef
    from workbench.staffing.order_search import OrderAnswer
    from workbench.staffing.outcomes import Outcome
    from workbench.staffing.validate.desks import LakeDesk
    from workbench.staffing.validate.report import Report as Verdict
    from workbench.trades.roles import RoleMatch


class Workbench:
    """Everything that is open, for one lake. Use it as a context manager, or call `close`."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], door: str = "python") -> None:
        self.settings, self._door = settings, door
        self._environ = environ

    @cached_property
    def folders(self) -> Folders:
        """Where this machine keeps what belongs to this lake and is not in it."""
        from workbench.session.folders import Folders

        return Folders(self.storage, self._environ)

    @cached_property
    def storage(self) -> Storage:
        """Where the lake's bytes live."""
        from workbench.lake.tables.s3 import open_storage

        secrets_file = Path(self.settings.secrets_file).expanduser()
        return open_storage(self.settings.lake, environ=self._environ, secrets_file=secrets_file)

    @cached_property
    def lake(self) -> Lake:
        """Datasets: ingest, SQL, snapshots, rejects, exports."""
        from workbench.lake.lake import Lake
        from workbench.lake.sql.engine import Limits
        from workbench.session.folders import login

        s = self.settings
        return Lake(
            self.storage,
            by=s.user or login(),
            loading=Limits(memory_mb=s.ingest_memory_mb, threads=s.threads),
            asking=Limits(memory_mb=s.memory_mb, threads=s.threads),
            noting=lambda shown: self.logs.access.note(shown),  # noqa: PLW0108 - opened by the first note
        )

    @cached_property
    def logs(self) -> Logs:
        """What is noted of calls of models, runs of the loop and looks at personal data, each a dataset."""
        from workbench.session.folders import login
        from workbench.session.logs import Logs, Who

        who = Who(self.settings.user or login(), self._door, self.settings.purpose)
        return Logs(lambda: self.lake, self.folders.state, who, lambda: self.journal, lambda: self.people())  # noqa: PLW0108

    @cached_property
    def people(self) -> KnownPeople:
        """The people that the datasets hold, read when somebody asks: what is hidden from strangers and logs."""
        from workbench.session.people import KnownPeople

        return KnownPeople(lambda: self.lake)

    @cached_property
    def searcher(self) -> Searcher:
        """Search by meaning over the datasets."""
        from workbench.search.searcher import Searcher
        from workbench.staffing.places import read_places
        from workbench.staffing.refusals import offered_sql

        return Searcher(
            self.lake,
            self.embedder,
            self.folders.vectors,
            lambda: self.trades,
            read_places,
            offered_sql,
            query_embedder=self.query_embedder,
        )

    @cached_property
    def embedder(self) -> Embedder:
        """What makes texts into vectors: the setting ``embedder``."""
        from workbench.outbound import Secret
        from workbench.search.embedding.providers import Servers, open_embedder

        s = self.settings
        key = Secret(s.embeddings_key, Path(s.secrets_file).expanduser(), "embeddings", self._environ)
        needed = key if s.embeddings_key else None
        return open_embedder(s.embedder, Servers(s.ollama_url, s.embeddings_url, needed))

    @cached_property
    def query_embedder(self) -> CachedEmbedder:
        """The embedder behind a cache, for queries: in memory, and on disk when a server makes the vectors."""
        from workbench.search.embedding.cache import CachedEmbedder, EmbedCache
        from workbench.search.embedding.disk_cache import DiskCache
        from workbench.search.embedding.providers import EMBEDDED, cache_folder

        # The embedded default is as fast as a look into the disk's cache.
        disk = None if self.settings.embedder == EMBEDDED else DiskCache(cache_folder(self.folders.vectors))
        return CachedEmbedder(self.embedder, EmbedCache(entries=self.settings.embed_cache, disk=disk))

    @cached_property
    def llm(self) -> Models:
        """Chat with models by name, and who provides them: ``wb.llm.chat("…", model="kimi/k2").text``."""
        from workbench.llm.models import Choice, open_models
        from workbench.llm.router import PROVIDERS

        s = self.settings
        record, replay = (Path(name).expanduser() if name else None for name in (s.chat_record, s.chat_replay))
        urls = {row.prefix: getattr(s, f"{row.prefix}_url") for row in PROVIDERS}
        choice = Choice(s.chat_model, s.chat_fallback, record, replay, s.chat_timeout_s)
        file = Path(s.secrets_file).expanduser()
        gate: dict[str, Any] = {"trusted": s.trusted_providers, "people": self.people}
        return open_models(choice, urls, file, self._environ, self.logs.book(s), **gate)

    @cached_property
    def trades(self) -> Trades:
        """The dictionary of occupations, with the operator's own synonyms."""
        from workbench.search.embedding.embed import WordllamaEmbedder
        from workbench.search.trade_roles import open_trades
        from workbench.session.folders import cache

        # Its thresholds were measured with the embedded default, whatever model the corpora have.
        own = self.embedder if isinstance(self.embedder, WordllamaEmbedder) else WordllamaEmbedder()
        file = self.settings.synonyms_file
        # The same for every lake, so one folder of this machine's cache holds it and no lake is touched for it.
        return open_trades(own, cache(self._environ) / "trades", synonyms=Path(file).expanduser() if file else None)

    @cached_property
    def vectors(self) -> VectorStore:
        """Named vector indexes: vectors that a caller brings."""
        from workbench.search.named.store import VectorStore

        return VectorStore(self.catalog)

    @cached_property
    def journal(self) -> Journal | None:
        """The search log: entries wait on this machine and go into the dataset ``searches`` now and then. None when the
        setting ``search_log`` is false, or this machine has no place for it.
        """
        from workbench.search.journal import Journal

        state = self.folders.state
        return Journal(self.lake, state / "searches") if state and self.settings.search_log else None

    @cached_property
    def searching(self) -> Searching:
        """Searches and orders, each noted in the search log."""
        from workbench.session.searching import Searching

        return Searching(self.lake, self.searcher, lambda: self.trades, self.journal)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog by itself: what there is, without the engines."""
        from workbench.lake.tables.catalog import Catalog

        return self.lake.catalog if "lake" in self.__dict__ else Catalog(self.storage)

    def datasets(self) -> list[Manifest]:
        """Every dataset's newest manifest, by name."""
        return self.catalog.all()

    def ingest(self, path: str | Path, name: str = "", *, progress: Progress | None = None, **options: Any) -> Report:
        """Load a file into a dataset; options as in `Request`. Raises SchemaDriftError with the ways out."""
        from workbench.lake.loading.ingest import quiet
        from workbench.lake.loading.report import Request

        return self.lake.ingest(Request(Path(path), name, **options), progress or quiet)

    def sql(
        self,
        sql: str,
        params: Params = None,
        *,
        row_cap: int | None = None,
        timeout_s: float | None = None,
        show_pii: bool = False,
        watch: Watch | None = None,
    ) -> Answer:
        """One SELECT over the datasets: read-only, all rows unless ``row_cap``, PII masked unless ``show_pii``."""
        from workbench.lake.sql.engine import Watch
        from workbench.lake.sql.query import Access

        self.logs.settle(sql)
        access, watch = Access(row_cap=row_cap, show_pii=show_pii), watch or Watch(timeout_s=timeout_s)
        with self.logs.looking("sql", sql, shown=show_pii) as look:
            return look.saw(self.lake.sql(sql, params, access=access, watch=watch))

    def check(
        self,
        dataset: str,
        expectations: Sequence[Expectation | str] = (),
        *,
        show_pii: bool = False,
        watch: Watch | None = None,
    ) -> tuple[Finding, ...]:
        """What holds of a dataset: of ``["unique(worker_id)", …]``, else of the expectations kept with it.

        A finding per expectation and column. Raises NotFoundError when nothing is expected of it yet.
        """
        return self.lake.check(dataset, expectations, show_pii=show_pii, watch=watch)

    def relation(
        self,
        sql: str | Filled,
        params: Params = None,
        *,
        frames: Mapping[str, Any] | None = None,
        show_pii: bool = False,
    ) -> Relation:
        """One SELECT, pinned to the snapshots, values and DataFrames of this moment; nothing is read before `fetch`.

        ``frames``: name → DataFrame, Arrow table or relation that it may read beside the datasets. Raises as `sql`.
        """
        self.logs.settle(str(sql))
        return self.lake.relation(sql, params, frames=frames, show_pii=show_pii)

    def save(
        self, rows: Relation, dataset: str, *, message: str = "", mode: str = "new", watch: Watch | None = None
    ) -> Saved:
        """All rows of a relation, unmasked, as a dataset with its lineage; tags of personal data come along.

        ``mode``: 'new', 'replace' or 'append'. Raises ConflictError for a dataset that exists, unless told what to do.
        """
        return self.lake.save(rows, dataset, message=message, mode=mode, watch=watch)

    def search(self, query: str, **options: Any) -> Results:
        """The best rows for ``query``, each with its reasons; options as in `Searcher.search`."""
        with self.logs.looking("search", query, shown=options.get("show_pii", False)) as look:
            return look.saw(self.searching.search(query, options))

    def chosen(self, search_id: str, ids: Sequence[int | str]) -> None:
        """Note in the search log which of the ids that a search showed were chosen (``Results.search_id``)."""
        if self.journal and search_id:
            self.journal.choose(search_id, ids)

    def order(
        self,
        text: str,
        *,
        today: date | None = None,
        k: int | None = None,
        model: str = "",
        dataset: str = "workers",
        show_pii: bool = False,
        on_progress: OnEmbed | None = None,
    ) -> tuple[OrderAnswer, ...]:
        """The workers for each order in a coordinator's text, with what was understood of it, and what was not.

        Relative days count from ``today``; ``model`` reads what the patterns leave. Raises as `search_order` does.
        """
        asked: dict[str, Any] = {"dataset": dataset, "show_pii": show_pii, "on_progress": on_progress}
        asked |= {"model": self.llm.for_task("order"), "name": model} if model else {}
        with self.logs.looking("order", text, shown=show_pii) as look:
            return look.saw(self.searching.answer(text, today, k, **asked))

    @cached_property
    def validators(self) -> LakeDesk:
        """What judges fills, messages and playbooks by the roster and the records of this lake."""
        from workbench.staffing.validate.desks import LakeDesk

        return LakeDesk(self.lake, self.role)

    @cached_property
    def judging(self) -> Judging:
        """Truth rules, then validators: how everything is judged."""
        from workbench.session.judging import Judging

        folder = self.settings.truth_folder
        return Judging(self.validators, Path(folder).expanduser() if folder else None)

    def validate(self, kind: str, artifact: Any, context: Any = None, *, today: date | None = None) -> Verdict:
        """All that is wrong with a proposed fill, email or playbook: by the truth rules, then by the validators.

        The verdict holds for what was judged; with Redact rules that is ``judging.judge(…).artifact``.
        """
        return self.judging.judge(kind, artifact, context, today=today).report

    def iterate(self, kind: str, prompt: str, **options: Any) -> Run:
        """Let a model propose and the validators decide, again and again; options as in `session.iterating.iterate`."""
        from workbench.session.iterating import iterate

        return iterate(self, kind, prompt, **options)

    @cached_property
    def desk(self) -> OrderDesk:
        """Shortlists, outcomes and saved searches: what is done with orders all day."""
        from workbench.session.desk import OrderDesk

        return OrderDesk(self.lake, self.validators, lambda: self.judging, self.search, self.chosen)

    def shortlist(self, order: OrderRef, workers: Sequence[WorkerRef] = (), **options: Any) -> Shortlist:
        """Put workers on the shortlist of an order, or without workers show it; see `OrderDesk.shortlist`."""
        return self.desk.shortlist(order, workers, **options)

    def record_outcome(self, order: OrderRef, worker: WorkerRef, outcome: str, **options: Any) -> Recorded:
        """What became of a worker for an order, once, after the validators have looked again; see `Recorder.record`."""
        return self.desk.recorder.record(order, worker, outcome, **options)

    def outcomes(self, order: OrderRef | None = None, worker: str | int | None = None) -> tuple[Outcome, ...]:
        """What was recorded, the earliest first: of an order, of a worker, of both, or all of it."""
        return self.desk.recorder.outcomes(order, worker)

    def save_search(self, name: str, query: str, *, replace: bool = False, **options: Any) -> SavedSearch:
        """Keep a search under a name, with its options as in `search`: ``wb.desk.run_saved(name)`` runs it again."""
        return self.desk.searches.save(name, query, options, replace=replace)

    def why_not(self, row: int | str, query: str, **options: Any) -> WhyNot:
        """Why a row is not among the hits of a search, and what would bring it in; see `Searcher.why_not`."""
        with self.logs.looking("why_not", f"{row}: {query}", shown=options.get("show_pii", False)):
            return self.searcher.why_not(row, query, **options)

    def embed(self, texts: Sequence[str], *, side: Side = "query") -> NDArray[np.float32]:
        """Vectors of ``texts`` (n, d), float32, unit rows, through the cache. Raises as ``Embedder.embed`` does."""
        return self.query_embedder.embed(texts, side=side)

    def role(self, text: str) -> RoleMatch:
        """Which trade a role text means: ``wb.role("hi-lo driver").says``."""
        return self.trades.role(text)

    def checks(self) -> list[Check]:
        """What ``lh doctor`` says of the lake and of what search keeps."""
        from workbench.search import health

        found = self.lake.checks()
        dead = any(check.name == "storage" and check.failed for check in found)
        return found if dead else [*found, *health.checks(self.catalog, self.folders.vectors), *self.logs.checks()]

    def close(self) -> None:
        """Close what was opened. Nothing of the lake is held open, so forgetting to costs only memory.

        What the logs have not yet put into the lake waits on this machine: no command waits for it.
        """
        if "logs" in self.__dict__:
            self.logs.close()
        if self.__dict__.get("journal"):
            self.journal.close(write=False)  # type: ignore[union-attr]
        for name in {"llm", "lake"} & self.__dict__.keys():
            self.__dict__[name].close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
