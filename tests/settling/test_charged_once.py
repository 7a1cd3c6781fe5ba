"""Work that several calls state is charged with the first of them, also after a new start."""

from pathlib import Path

from addon.metering.price import PriceList
from addon.settling.charged_once import KEEP_S, ChargedOnce
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FOLDER, read_case


def test_the_first_call_is_charged_and_stays_so(tmp_path: Path) -> None:
    before = ChargedOnce(tmp_path / "charged.sqlite")
    assert before("response r1", "call-1")
    assert not before("response r1", "call-2")
    before.close()
    after = ChargedOnce(tmp_path / "charged.sqlite")
    assert after("response r1", "call-1"), "a row that is made again is charged again"
    assert not after("response r1", "call-2")
    assert after("response r2", "call-2")
    after.close()
    later = ChargedOnce(tmp_path / "charged.sqlite", clock=lambda: 2**33 + KEEP_S)
    assert later("response r1", "call-2"), "what is old is forgotten"
    later.close()


def test_without_the_file_a_call_is_charged(tmp_path: Path) -> None:
    assert ChargedOnce(tmp_path / "no such folder" / "charged.sqlite")("response r1", "call-1")


def test_a_response_that_is_fetched_again_is_free() -> None:
    call = read_case(FOLDER / "openai" / "responses_retrieved.toml").call()
    row, _ = make_rows(call, PriceList(), lambda work, _request_id: work != "openai response resp_1")
    assert (row.cost_nanousd, row.cost_source, row.input_tokens) == (0, "free", None)
