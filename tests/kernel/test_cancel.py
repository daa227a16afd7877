"""The stop button and the time limit in a real kernel: the query ends at once, and the kernel lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from shells import ENDLESS, Kernel, fill, kernel

STOPPED_S = 2.0  # generous, for a busy machine; what is aimed at is 0.3 s
BAR = "<progress"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    lake = fill(folder)
    with kernel(folder, LH_LAKE=str(lake)) as started:
        assert started.run("%load_ext kernel_ext").status == "ok"
        yield started


@pytest.mark.parametrize(
    "code",
    [
        f"%%lhsql\n{ENDLESS}",
        f"%%lhsql --all\n{ENDLESS}",
        f"%%lhsql --to df\n{ENDLESS}",
        f"%%lhsql --profile\n{ENDLESS}",
        f"%%lhsql --save kept -m why\n{ENDLESS}",
        f"%%lhsql --plot bar n\n{ENDLESS}",
    ],
    ids=lambda code: code.splitlines()[0].removeprefix("%%lhsql").strip().split(" ")[0] or "page",
)
def test_stop_ends_a_running_query_in_one_line_and_the_kernel_lives(running: Kernel, code: str) -> None:
    cell = running.run(code, stop_at=BAR)
    assert cell.status == "error"
    assert cell.error["ename"] == "QueryCancelledError"
    assert len(cell.error["traceback"]) == 1
    assert cell.error["traceback"][0].startswith("QueryCancelledError: Stopped after ")
    assert 0 < cell.stopped_s < STOPPED_S
    after = running.run("%lhsql SELECT count(*) AS n FROM workers")
    assert after.status == "ok"
    assert "500" in after.text


def test_an_impatient_finger_stops_it_once_and_nothing_runs_on(running: Kernel) -> None:
    cell = running.run(f"%%lhsql\n{ENDLESS}", stop_at=BAR, presses=4)
    assert cell.error["ename"] == "QueryCancelledError"
    threads = "import threading\n[t.name for t in threading.enumerate() if t.name in {'lh-query', 'lh-bar'}]"
    assert running.run(threads).text.strip() == "[]"
    # Outside our magics the button is Python's own again.
    assert "default_int_handler" in running.run("import signal\nstr(signal.getsignal(signal.SIGINT))").text


def test_stop_ends_fetching_all_rows_of_a_result(running: Kernel) -> None:
    # The first page is there at once; to have all rows takes hours.
    rows = "SELECT length(sha256(repeat('x', 2000) || x)) AS n FROM range(100000000000) t(x)"
    assert running.run(f"slow = %lhsql {rows}").status == "ok"
    cell = running.run("slow.df()", stop_at=BAR)
    assert (cell.status, cell.error.get("ename")) == ("error", "QueryCancelledError")
    assert len(cell.error["traceback"]) == 1
    assert 0 < cell.stopped_s < STOPPED_S
    assert running.run("slow.table.num_rows").text.strip() == "100"


def test_a_time_limit_stops_a_query_and_says_how_to_raise_it(running: Kernel) -> None:
    cell = running.run(f"%%lhsql --timeout 0.2\n{ENDLESS}")
    assert cell.error["ename"] == "QueryTimeoutError"
    assert len(cell.error["traceback"]) == 2
    assert "0.2 s" in cell.error["traceback"][0]
    assert "--timeout" in cell.error["traceback"][1]
    assert running.run("1 + 1").text.strip() == "2"


def test_the_bar_is_shown_while_it_runs_and_gone_afterwards(running: Kernel) -> None:
    cell = running.run(f"%%lhsql --timeout 1.2\n{ENDLESS}")
    shown = [m for m in cell.outputs if BAR in str(m["content"])]
    assert shown
    ids = {m["content"]["transient"]["display_id"] for m in shown}
    assert len(ids) == 1
    updates = [m for m in cell.outputs if m["msg_type"] == "update_display_data"]
    assert updates[-1]["content"]["data"] == {}
    assert updates[-1]["content"]["transient"]["display_id"] in ids


def test_nothing_is_drawn_where_nobody_looks(running: Kernel) -> None:
    cell = running.run(f"%%lhsql --timeout 1.2\n{ENDLESS}", cell_id=None)
    assert [m["msg_type"] for m in cell.outputs] == ["error"]


def test_an_error_stops_the_cells_that_wait(running: Kernel) -> None:
    first = running.client.execute(f"%%lhsql --timeout 0.5\n{ENDLESS}", stop_on_error=True)
    second = running.client.execute("never_run = 1")
    replies = {}
    while len(replies) < 2:
        reply = running.client.get_shell_msg(timeout=30)
        replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
    assert replies == {first: "error", second: "aborted"}
