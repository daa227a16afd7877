"""Does the first search answer well? Twenty trades, three hundred workers, and what coordinators type."""

from __future__ import annotations

import random
from collections import Counter

import duckdb
import pyarrow as pa
import pytest

from workbench.lake.manifest import Column
from workbench.search.corpus import embed_corpus, search
from workbench.search.embed import WordllamaEmbedder
from workbench.search.hits import explain
from workbench.search.template import text_template

CITIES = ("Chicago", "Joliet", "Aurora", "Detroit", "Flint", "Toledo", "Gary", "Milwaukee", "Louisville", "Houston")
SHIFTS = ("days", "nights", "second shift", "weekends")

# role: (certifications, skills, what the résumé tells)
TRADES = {
    "Forklift Operator": (
        "OSHA-30, Forklift Certified",
        "reach truck, pallet jack, loading",
        "Moved pallets with sit-down and stand-up lifts in a distribution center.",
    ),
    "Warehouse Associate": (
        "OSHA-10",
        "receiving, put-away, inventory",
        "Received freight, labelled cartons and kept the aisles stocked.",
    ),
    "Picker": (
        "RF Scanner",
        "order picking, RF gun, voice picking",
        "Picked 140 lines an hour in a grocery warehouse.",
    ),
    "Packer": ("none", "packing, taping, labelling", "Packed boxes on a line and built pallets for shipping."),
    "Shipping Clerk": ("none", "bills of lading, carriers, Excel", "Booked carriers and filed shipping papers."),
    "CNC Operator": (
        "NIMS",
        "lathe, mill, G-code, micrometer",
        "Set up lathes and mills and held tolerances of two thousandths.",
    ),
    "Machine Operator": ("OSHA-10", "presses, changeovers, line clearance", "Ran stamping presses and cleared jams."),
    "Assembler": ("IPC-610", "soldering, torque tools, schematics", "Built harnesses and circuit boards by drawing."),
    "Welder": ("AWS D1.1", "MIG, TIG, stick, blueprint reading", "Welded structural steel and fitted pipe."),
    "Maintenance Technician": (
        "EPA 608",
        "PLC, hydraulics, preventive maintenance",
        "Fixed conveyors, motors and pumps on three lines.",
    ),
    "Electrician": (
        "Journeyman License",
        "conduit, wiring, panels, troubleshooting",
        "Bent conduit and wired switchgear on building sites.",
    ),
    "Quality Inspector": (
        "ASQ CQI",
        "calipers, sampling, ISO 9001",
        "Inspected parts and wrote nonconformance reports.",
    ),
    "Registered Nurse": (
        "RN, BLS, ACLS",
        "patient care, medication, charting",
        "Cared for patients on a medical floor of a hospital.",
    ),
    "Medical Assistant": (
        "CMA",
        "vital signs, phlebotomy, scheduling",
        "Took vitals and drew blood in a family clinic.",
    ),
    "Cook": ("ServSafe", "grill, prep, saute", "Cooked on the line of a busy restaurant kitchen."),
    "Server": ("Alcohol Permit", "table service, POS, wine", "Waited tables and took orders in a steak house."),
    "Housekeeper": ("none", "room cleaning, laundry, linens", "Cleaned sixteen hotel rooms a day."),
    "Truck Driver": ("CDL-A, Hazmat", "tractor trailer, logbook, backing", "Drove regional routes with dry vans."),
    "Administrative Assistant": (
        "Notary",
        "calendars, Word, phones, filing",
        "Kept calendars and answered phones for two directors.",
    ),
    "Java Developer": (
        "Oracle Certified",
        "Java, Spring, SQL, REST",
        "Wrote services in Java and tuned database queries.",
    ),
}
_FILLER = (
    "Reliable and punctual.",
    "Able to lift 50 pounds.",
    "Steel-toe boots and own transport.",
    "Works well in a team.",
    "References on request.",
    "Open to overtime.",
    "Bilingual English and Spanish.",
    "Three years with the same employer.",
)


def workers(count: int = 300, seed: int = 7) -> dict[str, list[str | int]]:
    """Columns worker_id, role, certifications, skills, city, resume_text; roles in turn, the rest by ``seed``."""
    rng = random.Random(seed)
    out: dict[str, list[str | int]] = {
        name: [] for name in ("worker_id", "role", "certifications", "skills", "city", "resume_text")
    }
    for number in range(count):
        role, (certifications, skills, duty) = list(TRADES.items())[number % len(TRADES)]
        some = rng.sample(skills.split(", "), k=min(3, skills.count(",") + 1))
        lines = [
            f"{rng.randint(1, 20)} years of work.",
            duty,
            *rng.sample(_FILLER, k=3),
            f"Prefers {rng.choice(SHIFTS)}.",
        ]
        city = rng.choice(CITIES)
        row = (1000 + number, role, certifications, ", ".join(some), city, "\n".join(lines))
        for name, value in zip(out, row, strict=True):
            out[name].append(value)
    return out


@pytest.fixture(scope="module")
def embedder():
    return WordllamaEmbedder()


@pytest.fixture(scope="module")
def roster():
    """worker_id → (role, city, text), the text made by the worker template in SQL."""
    table = pa.table(workers())
    columns = [Column(field.name, str(field.type)) for field in table.schema]
    with duckdb.connect() as connection:
        connection.register("workers", table)
        sql = f"SELECT worker_id, role, city, {text_template(columns).to_sql()} FROM workers"
        return {key: tuple(rest) for key, *rest in connection.execute(sql).fetchall()}


@pytest.fixture(scope="module")
def corpus(roster, embedder, tmp_path_factory):
    batch = pa.record_batch({"id": list(roster), "text": [text for _, _, text in roster.values()]})
    return embed_corpus([batch], embedder, tmp_path_factory.mktemp("vectors"), "roster")[0]


def roles_found(corpus, embedder, roster, query: str, k: int = 10, **more) -> Counter[str]:
    return Counter(roster[hit.id][0] for hit in search(corpus, embedder, query, k, **more).hits)


@pytest.mark.parametrize(
    ("query", "role"),
    [
        ("forklift operator with OSHA-30", "Forklift Operator"),
        ("need 3 forklift ops in Joliet, nights from Monday, OSHA-30", "Forklift Operator"),
        ("nurse for a hospital floor", "Registered Nurse"),
        ("somebody who bends conduit and pulls wire", "Electrician"),
        ("lathe and mill setup", "CNC Operator"),
        ("CDL driver for long haul", "Truck Driver"),
        ("programmer for a Spring backend", "Java Developer"),
        ("line cook", "Cook"),
        ("TIG welder, stainless", "Welder"),
        ("clean rooms in a hotel", "Housekeeper"),
        ("draw blood and take vitals", "Medical Assistant"),
        ("pack boxes", "Packer"),
        ("order picker, voice picking", "Picker"),
        ("fix conveyor motors", "Maintenance Technician"),
        ("inspect parts with calipers", "Quality Inspector"),
        ("solder circuit boards", "Assembler"),
        ("stamping press", "Machine Operator"),
        ("bill of lading paperwork", "Shipping Clerk"),
    ],
)
def test_a_plain_request_finds_the_trade(corpus, embedder, roster, query, role):
    assert roles_found(corpus, embedder, roster, query)[role] >= 9


def test_a_reach_truck_is_driven_by_forklift_operators_rather_than_nurses(corpus, embedder, roster):
    query = "someone who can drive a reach truck, nights, near Joliet"
    place = {}
    for rank, hit in enumerate(search(corpus, embedder, query, len(roster)).hits):
        place.setdefault(roster[hit.id][0], []).append(rank)

    assert max(place["Forklift Operator"]) < min(place["Registered Nurse"])
    assert place["Forklift Operator"][0] < 10


def test_a_filter_narrows_and_the_rest_is_still_ranked_by_meaning(corpus, embedder, roster):
    joliet = [key for key, (_, city, _) in roster.items() if city == "Joliet"]
    found = search(corpus, embedder, "forklift operator", 100, allowed=joliet)
    assert sorted(hit.id for hit in found.hits) == sorted(joliet)
    forklifts = sum(roster[key][0] == "Forklift Operator" for key in joliet)
    assert {roster[hit.id][0] for hit in found.hits[:forklifts]} == {"Forklift Operator"}


def test_a_request_from_another_world_scores_low(corpus, embedder):
    strange = ["what is the capital of Mongolia", "photosynthesis in algae", "quarterly yield of treasury bonds"]
    usual = ["forklift operator with OSHA-30", "nurse for a hospital floor", "solder circuit boards"]
    best = {query: search(corpus, embedder, query, 1).hits[0].score for query in strange + usual}
    assert max(best[query] for query in strange) + 0.2 < min(best[query] for query in usual)


def test_the_reason_names_the_words_and_the_cosine(corpus, embedder, roster):
    query = "forklift operator with OSHA-30"
    found = explain(search(corpus, embedder, query, 3), query, {key: text for key, (_, _, text) in roster.items()})
    for hit in found.hits:
        assert hit.why is not None
        assert hit.why.matched == ("forklift", "operator", "OSHA", "30")
        assert hit.why.cosine == pytest.approx(hit.score)
        assert hit.snippet.startswith("Forklift Operator. OSHA-30")
