from pathlib import Path

import pytest

from scripts.kill_proxy import kill_proxy_loop


@pytest.mark.long
def test_kill_9_of_the_real_proxy_loses_no_answered_call_and_doubles_none(tmp_path: Path) -> None:
    outcome = kill_proxy_loop(tmp_path, kills=4, pause_s=(0.2, 1.0))
    assert outcome.is_good, str(outcome)
    assert outcome.answered > 0
