from pathlib import Path

import pytest

from scripts.kill_loop import kill_loop, report


@pytest.mark.long
def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    tally = kill_loop(tmp_path, kills=4, pause_s=(0.3, 1.0))
    assert tally.is_good, report(tally, 0)
    assert tally.acknowledged > 0
