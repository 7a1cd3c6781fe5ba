"""What `heliograph report --engine spark` says where there is no Spark: in a line, and soon. None of it starts Java."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from addon.commands.report import report
from analysis.engines.spark_session import NoFunction, _failed, reason


def said(data: Path, *arguments: str) -> str:
    """What an invocation of wrong usage says."""
    done = CliRunner().invoke(report, ["costs", "--data", str(data), "--engine", "spark", *arguments])
    assert done.exit_code == 2, done.output
    return done.output


def test_a_missing_pyspark_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert "pip install 'heliograph[spark]'" in said(tmp_path)


def test_a_missing_sqlglot_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "analysis.engines.rewrites", raising=False)
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    assert "pip install 'heliograph[spark]'" in said(tmp_path)


def test_a_missing_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "pyspark" not in sys.modules:
        monkeypatch.setitem(sys.modules, "pyspark", sys)  # it is only asked whether it can be imported
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "needs Java 17 or newer on this machine: apt install openjdk-17-jre-headless" in said(tmp_path)


@pytest.mark.parametrize("master", ["spark://127.0.0.1:1", "sc://127.0.0.1:1", "spark://127.0.0.1:1,127.0.0.1:2"])
def test_a_master_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master: str) -> None:
    if "pyspark" not in sys.modules:
        monkeypatch.setitem(sys.modules, "pyspark", sys)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = said(tmp_path, "--master", master)
    assert f"no Spark at {master}: 127.0.0.1:1:" in found
    assert "refused" in found


def test_a_master_of_another_form_is_refused(tmp_path: Path) -> None:
    assert "'http://x' is not a master of Spark" in said(tmp_path, "--master", "http://x")


def test_a_function_that_spark_does_not_have_is_named() -> None:
    failed = _failed(RuntimeError("[UNRESOLVED_ROUTINE] Cannot resolve routine `jaccard` on search path ...; line 2"))
    assert isinstance(failed, NoFunction)
    assert "function jaccard" in str(failed)


def test_the_cause_of_a_page_of_java_is_one_line() -> None:
    page = (
        "An error occurred while calling o1.sql.\n: org.x.Failed: outer\n\tat a.b\nCaused by: java.io.E: inner\n\tat c"
    )
    assert reason(RuntimeError(page)) == "java.io.E: inner"
