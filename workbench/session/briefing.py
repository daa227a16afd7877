"""What a model is told before it proposes, and what its proposal is judged by: order, context, real candidates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from workbench.errors import InvalidError, NotFoundError, RejectedError
from workbench.search.corpora import key_column
from workbench.staffing.order_conditions import Condition
from workbench.staffing.order_conditions import Desk as Conditions
from workbench.staffing.order_context import as_context, corrected
from workbench.staffing.order_search import local_today
from workbench.staffing.orders import STATED, Order
from workbench.staffing.validate.ids import normal_id

if TYPE_CHECKING:
    from workbench.lake.lake import Lake
    from workbench.llm.models import Models
    from workbench.search.answer import Results
    from workbench.search.corpora import OnEmbed
    from workbench.session.judging import Judging
    from workbench.session.logs import Logs
    from workbench.session.searching import Searching
    from workbench.staffing.order_search import OrderAnswer
    from workbench.staffing.validate.desks import LakeDesk
    from workbench.staffing.validate.roster import Lookup, Worker

WORKERS = "workers"
FACTS = ("target_count", "role", "city", "state", "shift", "start", "end", "must", "must_not", "exclude_ids")
"""What of an order's context a model is told beside the prompt; who the client is, is nothing to it."""
_EMPTY: Mapping[str, Any] = {
    "fill": {"fills": []},
    "email": {"to": "-", "body": "-"},
    "playbook": {"operation": "fill: -", "endorsed_names": ["-"], "fingerprint": "-"},
}
_MOST_K = 1_000
_PLACE = re.compile(r"fills\[(\d+)\]")


class Open(Protocol):
    """What the loop uses of a workbench."""

    @property
    def lake(self) -> Lake:
        """Datasets."""

    @property
    def llm(self) -> Models:
        """Models by name."""

    @property
    def logs(self) -> Logs:
        """What is written down."""

    @property
    def searching(self) -> Searching:
        """Orders read and searched."""

    @property
    def judging(self) -> Judging:
        """Rules, then validators."""

    @property
    def validators(self) -> LakeDesk:
        """The roster."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The request of one run. ``context`` is what the validator judges by, ``facts`` what the model is told of it.

    ``candidates``: ``{"candidate_id", "name", "role", "city", "state", "certifications"}``, never how to reach anybody.
    ``matching``: how many fit the order, of whom ``candidates`` are the best; None where nobody was searched.
    ``conditions``: what the order demands beyond role and place, as SQL on the roster. ``order`` is what was read of a
    fill's text.
    """

    kind: str
    prompt: str
    context: dict[str, Any] | None
    facts: Mapping[str, Any]
    candidates: tuple[Mapping[str, Any], ...] = ()
    order: Order | None = None
    conditions: tuple[Condition, ...] = ()
    matching: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller gave. ``candidates``: ids of those who may be proposed, instead of a search for ``k``."""

    kind: str
    prompt: str
    context: Mapping[str, Any] | None = None
    candidates: Sequence[int | str] | None = None
    k: int = 20
    today: date | None = None
    on_progress: OnEmbed | None = None


def brief(wb: Open, asked: Asked) -> Brief:
    """The brief of a run. Raises InvalidError for what no model could get right (an empty prompt, several orders in one
    text, a context that no validator accepts), NotFoundError for candidates that are not on the roster, RejectedError
    when a rule refuses the context, or fewer people fit the order than it asks for.
    """
    if not asked.prompt.strip():
        raise InvalidError("The prompt is empty.", hint='For example "Need 3 forklift operators in Joliet, IL".')
    if asked.context is not None and not isinstance(asked.context, Mapping):
        raise InvalidError("The context is no object.", hint='{"target_count": 3, "role": "Forklift Operator", …}')
    made = {"fill": _fill, "email": _email}.get(asked.kind, _plain)(wb, asked)
    if asked.kind != "fill":
        _judgeable(wb, asked.kind, made.context, asked.today)
    return made


def _plain(wb: Open, asked: Asked) -> Brief:
    context = wb.judging.admit(asked.kind, None if asked.context is None else dict(asked.context))
    rows = _rows(wb, asked.candidates or ())
    return Brief(asked.kind, asked.prompt, context, context or {}, rows)


def _fill(wb: Open, asked: Asked) -> Brief:
    day = asked.today or local_today()
    orders = wb.searching.read(asked.prompt, day)
    if len(orders) > 1:
        raise InvalidError(
            f"The text holds {len(orders)} orders, and a fill is for one.", hint="Give them one at a time."
        )
    order = corrected(orders[0], asked.context)
    if asked.candidates is None and not order.to_search().text:
        raise InvalidError(
            "The prompt is no order: it names no role, paper, skill or shift to search candidates by.",
            hint="Say whom you need, or give context= or candidates=.",
        )
    context = wb.judging.admit(asked.kind, {**(asked.context or {}), **as_context(order)})
    _judgeable(wb, asked.kind, context, day)
    made = Brief(asked.kind, asked.prompt, context, _facts(context), order=order)
    return _given(wb, made, asked, day) if asked.candidates is not None else _found(wb, made, asked, day)


def _given(wb: Open, made: Brief, asked: Asked, day: date) -> Brief:
    """With the candidates that the caller names: they are his choice, the order's conditions hold for all others."""
    assert made.order is not None
    manifest = wb.lake.get(WORKERS)
    demanded = Conditions(wb.lake, manifest, key_column(manifest), made.order, made.order.to_search(), day).made()
    conditions = tuple(one for one in demanded if isinstance(one, Condition))
    notes = tuple(one.says for one in demanded if not isinstance(one, Condition))
    return replace(made, candidates=_rows(wb, asked.candidates or ()), conditions=conditions, notes=notes)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a search brought. ``refused``: place and first error of each row that the validators would not let pass."""

    found: OrderAnswer
    results: Results
    rows: tuple[Mapping[str, Any], ...]
    refused: Mapping[int, str]

    @property
    def fit(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(row for at, row in enumerate(self.rows) if at not in self.refused)


def _found(wb: Open, made: Brief, asked: Asked, day: date) -> Brief:
    """With those who fit the order best, from search, as far as the validators would let them pass."""
    assert made.order is not None
    wanted = made.order.to_search().count
    offer = _offer(wb, made, asked, day, min(max(asked.k, 2 * wanted), _MOST_K))
    if len(offer.fit) < wanted and len(offer.rows) < offer.results.matching:
        offer = _offer(wb, made, asked, day, _MOST_K)
    barred = ", ".join(f"{offer.rows[at]['candidate_id']} ({code})" for at, code in offer.refused.items())
    if len(offer.fit) < wanted:
        raise _too_few(wanted, len(offer.fit), offer.results, barred)
    notes = [f"Not offered to the model, as the validators refuse them: {barred}."] if barred else []
    return replace(
        made,
        candidates=offer.fit[: max(asked.k, wanted)],
        conditions=offer.found.conditions,
        matching=offer.results.matching,
        notes=(*offer.found.notes, *notes),
    )


def _offer(wb: Open, made: Brief, asked: Asked, day: date, k: int) -> _Offer:
    assert made.order is not None
    found = wb.searching.filled(made.order, day, k, dataset=WORKERS, on_progress=asked.on_progress)
    assert found.results is not None, "an order with words to search by has an answer"
    rows = _rows(wb, [hit.id for hit in found.results.hits], found.results.table.to_pylist())
    return _Offer(found, found.results, rows, _refused(wb, rows, made.context, day))


def _too_few(wanted: int, there: int, results: Results, barred: str) -> RejectedError:
    hint = [
        " → ".join(f"{step.rows:,} {step.name}" for step in results.funnel),
        *([f"The validators refuse {barred}."] if barred else []),
        "lh order shows them; lh order --why-not ID says what keeps somebody out.",
    ]
    return RejectedError(
        f"No model was asked: the order needs {wanted}, and {there} on the roster fit it.",
        hint="\n".join(hint),
        details={"funnel": [step.to_dict() for step in results.funnel], "refused": barred},
    )


def _refused(
    wb: Open, rows: Sequence[Mapping[str, Any]], context: Mapping[str, Any] | None, day: date
) -> dict[int, str]:
    """Of each row that the validators would not let pass the place and the first error."""
    fills = [{"candidate_id": row["candidate_id"], "name": row.get("name", "-")} for row in rows]
    report = wb.judging.judge("fill", {"fills": fills}, context, today=day).report
    refused: dict[int, str] = {}
    for found in report.findings:
        if found.severity == "error" and (place := _PLACE.match(found.path)):
            refused.setdefault(int(place[1]), found.code)
    return refused


def _email(wb: Open, asked: Asked) -> Brief:
    """A message: who it is about, and of an order in the context what may be said of it."""
    context = dict(asked.context or {})
    if asked.candidates:
        if len(asked.candidates) > 1:
            raise InvalidError("A message is about one worker.", hint="Give one id, or context={'candidate_id': …}.")
        context.setdefault("candidate_id", str(asked.candidates[0]))
    facts = {name: value for name, value in context.items() if name not in {"pay_rate", "order", "client_id"}}
    if isinstance(text := context.get("order"), str) and text.strip():
        order = wb.searching.read(text, asked.today or local_today())[0]
        facts |= {name: value for name, value in _facts(as_context(order)).items() if name != "exclude_ids"}
        if order.client and order.client.sure >= STATED:
            facts["client"] = order.client.value
        pay = order.pay.value if order.pay else None
        if pay and pay.low == pay.high:
            context.setdefault("pay_rate", f"{pay.low:.2f}")
    context = wb.judging.admit(asked.kind, context)
    if context.get("audience") == "worker" and context.get("pay_rate") is not None:
        facts["pay_rate"] = context["pay_rate"]  # who writes to a client is not even told what he pays
    who = context.get("candidate_id")
    rows = _rows(wb, [who] if who is not None else [])
    return Brief(asked.kind, asked.prompt, context or None, facts, rows)


def _facts(context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: context[name] for name in FACTS if context.get(name)}


def _judgeable(wb: Open, kind: str, context: Mapping[str, Any] | None, today: date | None) -> None:
    """Raise InvalidError when the validator refuses whatever is proposed: no model could mend that."""
    report = wb.judging.judge(kind, _EMPTY.get(kind, {}), context, today=today).report
    for found in report.findings:
        if found.severity == "error" and found.code == "not_implemented":
            raise InvalidError(found.message, hint="fill, email and playbook are.")
        if found.severity == "error" and found.path.startswith("_context"):
            raise InvalidError(found.message, hint="No model can mend that; mend the context or the order.")


def _rows(wb: Open, ids: Sequence[int | str], shown: Sequence[Mapping[str, Any]] = ()) -> tuple[Mapping[str, Any], ...]:
    """Of each id what a model may know, from the roster; papers from the ``shown`` rows of a search."""
    if not ids:
        return ()
    roster = wb.validators.desk("email").roster
    if roster is None:
        raise NotFoundError("There is no roster to propose anybody from.", hint="lh ingest workers.csv")
    papers = {_key(who): row.get("certifications") for who, row in zip(ids, shown, strict=False)}
    return tuple(_row(worker, papers.get(key)) for key, worker in _known(roster, ids).items())


def _known(roster: Lookup, ids: Sequence[int | str]) -> dict[str, Worker]:
    """Each id's worker, once."""
    found = {}
    for who, worker in zip(ids, roster.find([str(one).strip() for one in ids]), strict=True):
        if worker is None:
            raise NotFoundError(f"{who} is not on the roster ({roster.snapshot}).", hint="Ids look like W-12.")
        found[_key(who)] = worker
    return found


def _key(who: int | str) -> str:
    return normal_id(str(who).strip())


def _row(worker: Worker, papers: Any) -> dict[str, Any]:
    row = {
        "candidate_id": worker.id,
        "name": worker.name,
        "role": worker.role,
        "city": worker.city,
        "state": worker.state,
        "certifications": papers,
    }
    return {name: value for name, value in row.items() if value}
