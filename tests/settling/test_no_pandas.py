"""pandas is installed here, and the settler does without it."""

import subprocess
import sys
import textwrap


def test_arrays_and_questions_import_no_pandas() -> None:
    program = """
        import sys
        from addon.settling.no_pandas import import_no_pandas
        import_no_pandas()
        import duckdb
        import pyarrow as pa
        numbers = pa.table({"n": pa.array([1, 2])})
        assert duckdb.connect().execute("select sum(n) from numbers").fetchone() == (3,)
        assert "pandas" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
