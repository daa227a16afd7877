"""What users of other SQL notebooks complain of, each with the tests that show that it does not happen here.

The complaints were read in public issue threads (repository#number). A row whose test is gone or renamed fails here.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PAINS: dict[str, tuple[str, ...]] = {
    "one process holds the database and shuts the others out (duckdb#13558, duckdb#17158, duckdb-ui#108)": (
        "kernel/test_one_lake.py::test_two_notebooks_and_the_command_line_work_on_one_lake",
        "test_query.py::test_a_new_version_is_in_the_next_answer_of_any_process",
        "test_drill.py::test_a_whole_lake_loses_nothing",
    ),
    "variables are pasted into SQL as text (marimo#9445, marimo#2579)": (
        "test_placeholders.py::test_a_hostile_value_comes_back_as_it_went_in",
        "test_placeholders.py::test_no_text_makes_fill_bind_where_the_engine_sees_no_value",
        "kernel/test_magics.py::test_values_arrive_as_they_are",
    ),
    "the shell expands {x} and $x before the magic sees them": (
        "kernel/test_magics.py::test_the_shell_expands_nothing_in_our_lines",
        "kernel/test_search_magics.py::test_braces_and_dollars_arrive_as_they_are_typed",
    ),
    "{{x}} inside a string or a comment binds, or does not, in silence": (
        "test_placeholders.py::test_a_placeholder_in_the_wrong_place_is_refused_with_the_way_to_write_it",
        "test_placeholders.py::test_in_comments_nothing_binds",
    ),
    "the engine's own $x and the notebook's variables meet (DuckDB 2.0)": (
        "test_placeholders.py::test_our_parameters_never_meet_those_of_the_reader",
    ),
    "the engine's words are hidden, and nothing helps (jupysql#679, jupysql#813)": (
        "test_advice.py::test_every_mistake_has_a_caret_and_a_line_that_runs",
        "test_lazy.py::test_engine_errors_keep_their_words_and_hide_values",
        "kernel/test_magics.py::test_an_error_is_a_few_lines_that_name_the_way_out",
    ),
    "no completion of tables and columns (jupysql#195, jupysql-plugin#6 and #7)": (
        "test_complete.py::test_names",
        "test_complete.py::test_values_in_a_string",
        "browser/test_lab.py::test_tab_completes_a_column_and_offers_values",
    ),
    "the editor does not know DuckDB's words (dbx#9076)": (
        "test_complete.py::test_keywords_where_they_can_stand",
        "test_complete.py::test_reserved_words_are_the_engines",
    ),
    "SQL completion fires in cells of Python (JupySQL)": (
        "kernel/test_completion.py::test_nothing_of_ours_elsewhere",
        "kernel/test_completion.py::test_python_cells_complete_as_ever",
    ),
    "interrupt does nothing, or kills the kernel (duckdb#3742, duckdb#10216)": (
        "kernel/test_cancel.py::test_stop_ends_a_running_query_in_one_line_and_the_kernel_lives",
        "kernel/test_cancel.py::test_an_impatient_finger_stops_it_once_and_nothing_runs_on",
        "browser/test_lab.py::test_the_stop_button_ends_a_query_and_the_kernel_lives",
    ),
    "a query that spills to the disk cannot be stopped (duckdb#11564)": (
        "test_query.py::test_a_query_that_spills_to_the_disk_can_be_cancelled_and_leaves_nothing_there",
    ),
    "the progress bar breaks the page (ibis#5789, duckdb#983)": (
        "kernel/test_cancel.py::test_the_bar_is_shown_while_it_runs_and_gone_afterwards",
        "kernel/test_cancel.py::test_nothing_is_drawn_where_nobody_looks",
        "kernel/test_magics.py::test_papermills_runner_keeps_the_result_and_nothing_else",
    ),
    "a large result freezes the page (vscode-database-client#425, dbcode#1078)": (
        "kernel/test_magics.py::test_a_cell_gives_a_page_with_an_honest_line",
        "browser/test_lab.py::test_a_page_of_a_long_answer_says_how_many_there_are",
        "kernel/test_grid.py::test_too_many_columns_are_counted_not_drawn",
    ),
    "no limit on the rows that are fetched (JupySQL's autolimit 0)": (
        "kernel/test_magics.py::test_limit_and_all_say_how_many_rows_come",
    ),
    "the statement behind a result is lost (marimo#5471)": (
        "kernel/test_magics.py::test_a_kept_result_stays_on_its_snapshot",
        "kernel/test_magics.py::test_history_remembers_what_was_asked",
        "test_lazy.py::test_a_pinned_statement_says_what_the_typed_one_says",
    ),
    "a kept snippet changes its values afterwards, or cannot": (
        "kernel/test_magics.py::test_a_kept_result_is_read_by_the_next_cell_with_the_values_of_its_time",
    ),
    "a notebook cannot be taken out of the tool (duckdb-ui#144)": (
        "test_notebooks.py::test_runs_from_top_to_bottom",
        "test_run.py::test_a_page_brings_all_it_needs",
    ),
    "the runner waits for ever when the kernel was killed (papermill#125)": (
        "test_run.py::test_a_cell_that_ends_its_kernel_is_told",
        "test_run.py::test_a_death_is_noticed_at_once_and_the_dead_are_not_resumed",
    ),
    "outputs are lost to a time limit (papermill#426)": (
        "test_run.py::test_a_flood_of_output_and_a_silence_before_it_lose_nothing",
    ),
    "runs at the same time take each other's kernel (papermill#239)": (
        "test_run.py::test_two_runs_at_once_do_not_meet",
    ),
    "a failed run starts again from the top (papermill#824)": (
        "test_run.py::test_a_failed_run_goes_on_in_its_kernel_once_the_cell_is_mended",
    ),
    "the page asks other hosts, the tool counts its users (DuckDB UI's assets, telemetry)": (
        "test_run.py::test_nothing_is_loaded_from_the_web",
        "kernel/test_grid.py::test_the_style_asks_no_other_host_and_takes_its_colours_from_the_theme",
        "test_architecture.py::test_every_asset_comes_with_the_product",
        "test_conftest.py::test_the_network_is_refused",
    ),
    "loading the extension twice, or unloading it, leaves things behind": (
        "kernel/test_magics.py::test_loading_twice_and_unloading_leave_nothing_behind",
    ),
    "a DataFrame and a table of one name: nobody says which was read": (
        "kernel/test_magics.py::test_frames_are_tables_and_a_clash_is_said",
    ),
}


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("pain", PAINS)
def test_every_pain_has_its_tests(pain: str) -> None:
    for named in PAINS[pain]:
        file, _, test = named.partition("::")
        assert test in names_in(HERE / file), named
