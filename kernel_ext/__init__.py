"""The notebook's door: ``%load_ext kernel_ext`` brings SQL, search, models and the lake's verbs as magics.

It holds nothing but one `Session` for each shell, and ``%unload_ext kernel_ext`` takes everything away again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from workbench.errors import NotFoundError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.session import Session
    from workbench.session import Workbench

_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What ``%load_ext kernel_ext`` runs; a second time changes nothing."""
    from kernel_ext import completion, magics
    from kernel_ext.session import Session

    if shell in _sessions:
        return
    own = _sessions[shell] = Session(shell)
    for kind in _magics():
        shell.register_magics(kind(shell, session=own))
    # After the cell was cleaned of prompts and indents; IPython's own step for cell magics comes later.
    shell.input_transformers_cleanup.append(magics.with_a_body)
    completion.add(shell, own)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """What ``%unload_ext kernel_ext`` runs: magics and completion go, the lake is closed, results stay readable."""
    from kernel_ext import completion, magics

    own = _sessions.pop(shell, None)
    if own is None:
        return
    for kind in _magics():
        shell.magics_manager.registry.pop(kind.__name__, None)
        for sort, names in kind.magics.items():
            for name in names:
                shell.magics_manager.magics[sort].pop(name, None)
    if magics.with_a_body in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(magics.with_a_body)
    completion.remove(shell)
    own.close()


def opened() -> Session:
    """The session of the running shell. Raises NotFoundError before ``%load_ext kernel_ext``."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None or shell not in _sessions:
        raise NotFoundError("No session is open here.", hint="%load_ext kernel_ext")
    return _sessions[shell]


def workbench() -> Workbench:
    """The workbench that the magics use, for Python code: ``kernel_ext.workbench().ingest("roster.csv")``."""
    return opened().wb


def _magics() -> list[Any]:
    from kernel_ext.lake_magics import LakeMagics
    from kernel_ext.magics import SqlMagics
    from kernel_ext.model_magics import ModelMagics
    from kernel_ext.search_magics import SearchMagics

    return [SqlMagics, LakeMagics, SearchMagics, ModelMagics]
