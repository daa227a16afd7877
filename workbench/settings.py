"""One frozen `Settings`, one table that describes it, one pure `load`. Only the session and the CLI read it.

Keyword > ``LH_*`` environment > ``lakehouse.toml`` > default. Secrets are not settings: they are read when used, from
the environment or a private file.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from workbench.errors import ConfigError

FILE = "lakehouse.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: name, default, how a text becomes the value, what it is for."""

    name: str
    default: Any
    parse: Callable[[str], Any]
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"LH_{self.name.upper()}"


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _names(text: str) -> tuple[str, ...]:
    if "[" in text:
        raise ValueError
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _prices(text: str) -> dict[str, tuple[float, float]]:
    """``kimi/k2=0.60:2.50`` and the like, with commas between."""
    found = {}
    for entry in _names(text):
        model, equals, price = entry.rpartition("=")
        prompt, colon, answer = price.partition(":")
        if not (model.strip() and equals and colon):
            raise ValueError
        pair = float(prompt), float(answer)
        if not all(0 <= one < float("inf") for one in pair):
            raise ValueError
        found[model.strip()] = pair
    return found


def _switch(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}[
        text.strip().casefold()
    ]


TABLE = (
    Setting("lake", "~/.lakehouse", str, "where the lake is: a folder or s3://bucket/prefix"),
    Setting("row_cap", 10_000, _count, "rows a query may return through a guarded door"),
    Setting("timeout_s", 60.0, _seconds, "seconds a query may run through a guarded door"),
    Setting("memory_mb", 0, _count, "memory the SQL engine may use, in MB; 0 is its own default (80 %)"),
    Setting("ingest_memory_mb", 320, _count, "memory the SQL engine may use while it loads a file, in MB"),
    Setting("threads", 0, _count, "threads the SQL engine may use; 0 is all cores"),
    Setting("secrets_file", "~/.config/lakehouse/secrets.toml", str, "private file with [s3.primary]; mode 600"),
    Setting("embedder", "embedded", str, "what makes texts into vectors: embedded, ollama/<model> or openai/<model>"),
    Setting("ollama_url", "http://127.0.0.1:11434", str, "where Ollama answers"),
    Setting("embeddings_url", "", str, "where an OpenAI-compatible server answers, usually ending in /v1"),
    Setting(
        "embeddings_key", "OPENAI_API_KEY", str, "environment variable that holds its key; or [embeddings] in secrets"
    ),
    Setting("chat_model", "ollama/qwen3", str, "the model asked when none is named: <provider>/<model>"),
    Setting("chat_fallback", "", _names, "models asked in turn when that one fails, with commas between"),
    Setting("chat_timeout_s", 300.0, _seconds, "seconds a model may take for a whole answer"),
    Setting("chat_record", "", str, "a file to keep every exchange with a model in, word for word"),
    Setting("chat_replay", "", str, "a file of kept exchanges to answer from, without any model"),
    Setting("chat_log", "true", _switch, "keep a ledger of calls as the dataset llm_calls: true or false"),
    Setting("chat_log_text", "false", _switch, "keep prompts and answers in it too, personal data masked"),
    Setting("chat_prices", "", _prices, "dollars for a million tokens, prompt:answer, as in kimi/k2=0.60:2.50, …"),
    Setting("ollama_cloud_url", "", str, "where Ollama's cloud answers; empty is its own address"),
    Setting("openrouter_url", "", str, "where OpenRouter answers; empty is its own address"),
    Setting("opencode_url", "", str, "where OpenCode answers; empty is its own address"),
    Setting("kimi_url", "", str, "where Kimi answers; empty is its own address"),
    Setting("trusted_providers", "", _names, "providers that may see personal data; others get placeholders for it"),
    Setting("embed_cache", 10_000, _count, "vectors of queries kept in memory; 0 keeps none"),
    Setting("synonyms_file", "", str, "your own words for trades: a TOML or CSV file"),
    Setting("truth_folder", "", str, "a folder of truth rules (.toml) that add to those built in; see lh rules"),
    Setting("search_log", "true", _switch, "keep a log of searches as the dataset searches: true or false"),
    Setting("purpose", "", str, "why personal data is shown, for the log of such looks (dataset pii_access)"),
    Setting("user", "", str, "who writes, in the history of snapshots; empty is the login name"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; ``origins`` says where each came from: keyword, environment, the file's path, or default."""

    lake: str
    row_cap: int
    timeout_s: float
    memory_mb: int
    ingest_memory_mb: int
    threads: int
    secrets_file: str
    embedder: str
    ollama_url: str
    embeddings_url: str
    embeddings_key: str
    chat_model: str
    chat_fallback: tuple[str, ...]
    chat_timeout_s: float
    chat_record: str
    chat_replay: str
    chat_log: bool
    chat_log_text: bool
    chat_prices: Mapping[str, tuple[float, float]]
    ollama_cloud_url: str
    openrouter_url: str
    opencode_url: str
    kimi_url: str
    trusted_providers: tuple[str, ...]
    embed_cache: int
    synonyms_file: str
    truth_folder: str
    search_log: bool
    purpose: str
    user: str
    origins: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """What ``lh config`` prints: name, value, origin, variable, help."""
        return [
            {
                "name": s.name,
                "value": getattr(self, s.name),
                "origin": self.origins[s.name],
                "variable": s.variable,
                "help": s.help,
            }
            for s in TABLE
        ]


def load(keywords: Mapping[str, Any], environ: Mapping[str, str], folder: Path) -> Settings:
    """Merge the four layers. The file is ``LH_CONFIG`` or ``lakehouse.toml`` in ``folder``.

    Raises ConfigError for an unknown key (naming the nearest), for a value that is not what the setting takes, and
    for a file that cannot be read.
    """
    path = Path(environ.get("LH_CONFIG") or folder / FILE)
    layers: list[tuple[str, Mapping[str, Any]]] = [
        ("keyword", {k: v for k, v in keywords.items() if v is not None}),
        ("environment", {s.name: environ[s.variable] for s in TABLE if environ.get(s.variable)}),
        (str(path), _read(path, required=bool(environ.get("LH_CONFIG")))),
    ]
    for origin, layer in layers:
        for key in layer:
            _check(key, origin)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in TABLE:
        origin, raw = next(
            ((o, layer[setting.name]) for o, layer in layers if setting.name in layer), ("default", setting.default)
        )
        values[setting.name] = _parse(setting, raw, origin)
        origins[setting.name] = origin
    return Settings(**values, origins=origins)


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigError(
                f"LH_CONFIG names {path}, which does not exist.", hint="Unset it or create the file."
            ) from None
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", hint=f"See what it is: ls -ld {shlex.quote(str(path))}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="Lines look like: lake = '/data/lake'") from error


def _check(key: str, origin: str) -> None:
    names = [f.name for f in fields(Settings) if f.name != "origins"]
    if key not in names:
        near = get_close_matches(key, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known settings: {', '.join(names)}."
        raise ConfigError(f"Unknown setting {key!r} in {origin}.", hint=hint)


def _parse(setting: Setting, raw: Any, origin: str) -> Any:
    try:
        return setting.parse(str(raw))
    except (ValueError, KeyError):
        raise ConfigError(
            f"The setting {setting.name} cannot be {raw!r} (from {origin}).", hint=f"It is: {setting.help}."
        ) from None
