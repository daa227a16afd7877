"""Made-up source rows, one maker for each stream: what a seeded fixture is written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from workbench import records

_CITIES = ("Gary, IN", "Hammond, IN", "South Bend, IN", "Joliet, IL", "Aurora, IL", "Kenosha, WI", "Racine, WI")
_ROLES = ("forklift operator", "packer", "welder", "machine operator", "assembler", "picker", "CNC machinist")
_MODELS = ("kimi-k2", "gpt-oss-120b", "qwen3-coder", "deepseek-v3")
_CRATES = ("gateway", "vectord", "catalogd", "ingestd", "queryd", "memoryd")
_VERBS = ("Verify", "Check", "Ensure", "Keep", "Record", "Name")
_THINGS = ("the roster", "each certificate", "the shift times", "the snapshot", "every finding", "the bill rate")
_WHYS = ("before the offer goes out", "after the last attempt", "when the client changes the order", "on each retry")
_FIRST = ("Ana", "Luis", "Mary", "John", "Wei", "Omar", "Ruth", "Ivan")
_LAST = ("Ortiz", "Baker", "Chen", "Novak", "Adams", "Silva", "Young", "Kowalski")


def _text(random: Random) -> str:
    lines = [f"Fill {random.randrange(1, 9)} {random.choice(_ROLES)}s in {random.choice(_CITIES)}."]
    advice = range(random.randrange(2, 5))
    lines += [f"{random.choice(_VERBS)} {random.choice(_THINGS)} {random.choice(_WHYS)}." for _ in advice]
    dice = random.random()
    if dice < 0.05:
        lines.append(f"{random.choice(_FIRST)} {random.choice(_LAST)} is asked first.")
    elif dice < 0.052:
        form = f"{random.randrange(100, 600)}-{random.randrange(10, 99)}-{random.randrange(1000, 9999)}"
        lines.append(f"The form says {form}.")
    return "\n".join(lines)


def _when(index: int) -> str:
    day, second = divmod(index, 86_400)
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    return f"2026-{day // 28 % 12 + 1:02}-{day % 28 + 1:02}T{clock}.000Z"


def _file(random: Random, index: int) -> str:
    return f"crates/{random.choice(_CRATES)}/src/part_{index // 4}.rs"


def _extracted(stream: str) -> Callable[[int, Random], dict[str, Any]]:
    def make(index: int, random: Random) -> dict[str, Any]:
        return {
            "run_id": f"distill-{index // 50}",
            "source_label": f"{stream}-{index // 7}",
            "created_at": _when(index),
            "extractor": "qwen3.5:latest",
            "text": _text(random),
        }

    return make


def _contract(index: int, random: Random) -> dict[str, Any]:
    verdict = random.choice(("accept", "accept", "reject", "cycle", None))
    return {
        "permit_id": 100_000_000 + index // 3,
        "contractor": f"{random.choice(_LAST)} Masonry",
        "ts": _when(index),
        "model": random.choice(_MODELS),
        "verdict": verdict,
        "confidence": round(random.random(), 3),
        "analysis": _text(random),
        "failure_markers": ["no_source"] if random.random() < 0.2 else [],
        "matrix_corpora": ["permits", "workers"],
        "matrix_hits": random.randrange(12),
        "duration_ms": random.randrange(500, 90_000),
        "cost": round(random.random() / 100, 6),
    }


def _experiment(index: int, random: Random) -> dict[str, Any]:
    return {
        "ts": _when(index),
        "task_class": f"staffing.fill.{index // 5}",
        "mode": random.choice(("codereview", "matrix", "plain")),
        "model": random.choice(_MODELS),
        "file_path": _file(random, index),
        "response": "" if random.random() < 0.1 else _text(random),
        "latency_ms": random.randrange(1_000, 150_000),
        "sources": {"matrix_corpus": ["workers"], "matrix_chunks_kept": random.randrange(9)},
    }


def _scrum(index: int, random: Random) -> dict[str, Any]:
    attempt = random.choice((1, 1, 1, 2, 3, 5, None))
    return {
        "file": _file(random, index),
        "reviewed_at": _when(index),
        "accepted_model": random.choice(_MODELS),
        "accepted_on_attempt": attempt,
        "attempts_made": attempt or 9,
        "text": _text(random),
        "tree_split_fired": random.random() < 0.1,
        "alignment_score": round(random.random() * 10, 1),
    }


def _escalation(index: int, random: Random) -> dict[str, Any]:
    return {
        "ts": _when(index),
        "cluster_endpoint": f"/v1/{random.choice(_CRATES)}",
        "cluster_size": random.randrange(2, 30),
        "model": random.choice(_MODELS),
        "analysis": _text(random),
        "prompt_tokens": random.randrange(200, 4_000),
        "completion_tokens": random.randrange(20, 900),
    }


def _audit_fact(index: int, random: Random) -> dict[str, Any]:
    return {
        "head_sha": f"{random.getrandbits(160):040x}",
        "pr_number": index // 3,
        "extracted_at": _when(index),
        "extractor": "qwen3.5:latest",
        "facts": _text(random).split("\n"),
        "entities": [{"name": random.choice(_CRATES), "type": "crate"}],
        "relationships": [],
    }


def _apply(index: int, random: Random) -> dict[str, Any]:
    row = {
        "file": _file(random, index),
        "action": random.choice(("committed", "committed", "build_red_reverted", "test_red_reverted", "skipped")),
        "model": random.choice(_MODELS),
        "text": _text(random),
    }
    return row if random.random() < 0.1 else {**row, "ts": _when(index)}


def _observed(index: int, random: Random) -> dict[str, Any]:
    return {
        "file": f"crates/{_CRATES[index // 2 % len(_CRATES)]}/src/part_{index // 2}.rs",
        "ts": _when(index),
        "model": random.choice(_MODELS),
        "verdict": random.choice(("accept", "accept", "reject", "cycle", None)),
        "confidence": round(random.random(), 2),
        "notes": [random.choice(_WHYS)],
        "text": _text(random),
    }


def _audit(index: int, random: Random) -> dict[str, Any]:
    return {
        "finding_id": f"f-{index}",
        "phase": f"G{index % 9}",
        "severity": random.choice(("info", "low", "medium", "high", "critical", "unknown")),
        "ts": _when(index),
        "text": _text(random),
    }


def _outcome(index: int, random: Random) -> dict[str, Any]:
    gaps = random.choice((0, 0, 1, 3))
    return {
        "run_id": f"scenario-{index}",
        "task_id": f"scenario-{index // 4}",
        "created_at": _when(index),
        "all_events_ok": gaps == 0 and random.random() < 0.8,
        "gap_signals": gaps,
        "summary": _text(random),
        "elapsed_ms": random.randrange(1_000, 60_000),
    }


def _session(index: int, random: Random) -> dict[str, Any]:
    verdict = random.choice(("accepted", "accepted", "accepted", "max_iter_exhausted", "infra_error"))
    iterations = random.randrange(1, 4)
    worker = f"W-{random.randrange(10_000):05}"
    answer = {"fills": [{"candidate_id": worker, "reason": f"{random.choice(_ROLES)} in {random.choice(_CITIES)}"}]}
    raw = records.encode(answer).decode().strip()
    row = {
        "schema": "session.iterate.v1",
        "session_id": f"s-{index}",
        "timestamp": _when(index),
        "daemon": "workbench",
        "kind": "fill",
        "model": random.choice(_MODELS),
        "provider": "ollama",
        "prompt": f"Fill order {index // 3}: {_CITIES[index // 3 % len(_CITIES)]}, {_ROLES[index // 3 % len(_ROLES)]}.",
        "iterations": iterations,
        "max_iterations": 3,
        "final_verdict": verdict,
        "attempts": [{"iteration": turn + 1, "raw": raw, "status": "refused"} for turn in range(iterations)],
        "artifact": answer,
        "grounded_in_roster": random.random() < 0.95 if verdict == "accepted" else None,
        "duration_ms": random.randrange(300, 30_000),
    }
    return row if verdict == "accepted" else {name: value for name, value in row.items() if name != "artifact"}


MAKERS: Mapping[str, Callable[[int, Random], dict[str, Any]]] = {
    "distilled_facts": _extracted("facts"),
    "distilled_procedures": _extracted("procedures"),
    "distilled_config_hints": _extracted("hints"),
    "contract_analyses": _contract,
    "mode_experiments": _experiment,
    "scrum_reviews": _scrum,
    "observer_escalations": _escalation,
    "audit_facts": _audit_fact,
    "auto_apply": _apply,
    "observer_reviews": _observed,
    "audits": _audit,
    "outcomes": _outcome,
    "sessions": _session,
}
"""``maker(index, random) -> source row`` by stream; rows near one another share tasks, files and prompts."""
