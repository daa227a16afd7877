"""Templates: which columns become the text of a row, run by the engine that will run them."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.tables.manifest import Column
from workbench.search.texts.template import text_template


def text_of(columns: list[Column], row: dict[str, object], chosen: tuple[str, ...] = ()) -> str:
    with duckdb.connect() as connection:
        connection.register("t", pa.table({name: [value] for name, value in row.items()}))
        found = connection.execute(f"SELECT {text_template(columns, chosen).to_sql()} FROM t").fetchone()
    assert found is not None
    return str(found[0])


WORKER = {
    "resume_text": "Line one.\nLine two.",
    "city": "Joliet",
    "worker_id": 7,
    "name": "Ana Ruiz",
    "skills": "reach truck",
    "certifications": "OSHA-30",
    "Role": "Forklift Operator",
    "reliability": 0.9,
}
WORKER_COLUMNS = [
    Column(name, {int: "int64", float: "double"}.get(type(value), "string"), pii="name" if name == "name" else "")
    for name, value in WORKER.items()
]


def test_a_worker_is_role_and_certifications_first_and_resume_last():
    want = "Forklift Operator. OSHA-30. reach truck. Joliet. Line one.\nLine two."
    assert text_of(WORKER_COLUMNS, WORKER) == want


def test_empty_parts_leave_no_trace_and_an_empty_row_is_an_empty_text():
    columns = [Column("role", "string"), Column("skills", "string"), Column("city", "string")]
    assert text_of(columns, {"role": " Packer ", "skills": "  ", "city": "Gary"}) == "Packer. Gary"
    assert text_of(columns, {"role": None, "skills": "", "city": " "}) == ""
    assert text_of(columns, {"role": "x", "skills": None, "city": "y"}) == "x. y"


def test_only_the_head_of_a_resume_counts():
    row = WORKER | {"resume_text": "a" * 5000}
    assert text_of(WORKER_COLUMNS, row).count("a") < 650


def test_another_dataset_is_all_its_text_columns_without_pii():
    columns = [Column("id", "int64"), Column("title", "string"), Column("email", "string", pii="email")]
    columns += [Column("tags", "list<item: string>"), Column("places", "list<element: int64>")]
    row = {"id": 1, "title": "Order", "email": "a@b.c", "tags": ["x", "y"], "places": [1]}
    assert text_of(columns, row) == "Order. x, y"


def test_chosen_columns_come_in_their_order_with_their_limits():
    assert text_of(WORKER_COLUMNS, WORKER, ("city", "resume_text: 4", "ROLE")) == "Joliet. Line. Forklift Operator"


def test_a_name_that_is_sql_stays_a_name():
    columns = [Column('a" || (SELECT 1) || "', "string")]
    assert text_of(columns, {'a" || (SELECT 1) || "': "plain"}) == "plain"


def test_an_unknown_choice_names_near_columns():
    with pytest.raises(NotFoundError, match="certs") as caught:
        text_template([Column("certifications", "string"), Column("cert", "string")], ("certs",))
    assert "cert" in caught.value.hint


@pytest.mark.parametrize("entry", ["city:many", "city:-1", "worker_id"])
def test_a_choice_that_cannot_be_is_refused(entry):
    with pytest.raises(InvalidError):
        text_template(WORKER_COLUMNS, (entry,))


def test_no_text_column_is_refused_with_what_there_is():
    with pytest.raises(InvalidError, match="no text column") as caught:
        text_template([Column("amount", "double"), Column("email", "string", pii="email")])
    assert "amount, email" in caught.value.hint


def test_the_digest_follows_the_parts_and_their_order():
    digests = {
        text_template(WORKER_COLUMNS, chosen).digest
        for chosen in [("city",), ("skills",), ("city", "skills"), ("skills", "city")]
    }
    assert len(digests) == 4
    assert text_template(WORKER_COLUMNS).digest == text_template(list(reversed(WORKER_COLUMNS))).digest
