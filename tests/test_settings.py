"""Settings: one table, four layers, loud about what they do not know."""

from __future__ import annotations

import pytest

from workbench.errors import ConfigError
from workbench.settings import TABLE, load


def test_keyword_beats_environment_beats_file_beats_default(tmp_path):
    (tmp_path / "lakehouse.toml").write_text('lake = "from-file"\nrow_cap = 5\ntimeout_s = 7\n')
    found = load({"lake": "from-keyword"}, {"LH_LAKE": "from-env", "LH_ROW_CAP": "6"}, tmp_path)
    assert (found.lake, found.row_cap, found.timeout_s) == ("from-keyword", 6, 7.0)
    assert found.origins["lake"] == "keyword"
    assert found.origins["row_cap"] == "environment"
    assert found.origins["timeout_s"] == str(tmp_path / "lakehouse.toml")
    assert found.origins["threads"] == "default"


def test_lh_config_names_the_file(tmp_path):
    (tmp_path / "other.toml").write_text('user = "ann"')
    assert load({}, {"LH_CONFIG": str(tmp_path / "other.toml")}, tmp_path).user == "ann"
    with pytest.raises(ConfigError, match="does not exist"):
        load({}, {"LH_CONFIG": str(tmp_path / "gone.toml")}, tmp_path)


def test_an_unknown_key_names_the_nearest(tmp_path):
    (tmp_path / "lakehouse.toml").write_text("rowcap = 5")
    with pytest.raises(ConfigError, match="rowcap") as refused:
        load({}, {}, tmp_path)
    assert refused.value.hint == "Did you mean row_cap?"
    with pytest.raises(ConfigError, match="colour"):
        load({"colour": "red"}, {}, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("name", "value"), [("row_cap", "many"), ("row_cap", "-1"), ("timeout_s", "0"), ("timeout_s", "inf")]
)
def test_a_value_that_means_nothing_is_refused_with_its_origin(tmp_path, name, value):
    with pytest.raises(ConfigError, match=name) as refused:
        load({}, {f"LH_{name.upper()}": value}, tmp_path)
    assert "environment" in refused.value.message


def test_a_file_that_is_not_toml_says_where(tmp_path):
    (tmp_path / "lakehouse.toml").write_text("lake = \n")
    with pytest.raises(ConfigError, match="is not TOML"):
        load({}, {}, tmp_path)


def test_every_setting_is_a_row_with_help(tmp_path):
    rows = load({}, {}, tmp_path).rows()
    assert [r["name"] for r in rows] == [s.name for s in TABLE]
    assert all(r["help"] and r["variable"].startswith("LH_") for r in rows)
