"""Names that are patterns, empty or the beginning of other names: each number still leads to the calls that it counts."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Final

import httpx
import pytest

from addon.storage.record import FeedbackRow, RequestRow
from tests.analysis.writing import settle, tell
from tests.dashboard.served import serving

NAMES: Final = ("*", "a*", "a*b", "aab", "\\*", "%", "", None, "(none)", "<5", "a\nb", "😀")
TOGETHER: Final = "together"
CLIENTS: Final = ("node", "node/22", "node-fetch/1.0", "node-fetch", "", None, "*", "(odd)")
# Why calls have no price: each with the row's columns, two of them for one error.
UNPRICED: Final[tuple[dict[str, object], ...]] = (
    {"error_type": "overloaded", "status": 529},
    {"error_type": "timeout", "status": 504},
    {"error_type": "timeout", "status": 504, "usage_raw": "{}"},
    {"error_type": "timeout", "input_tokens": 1, "output_tokens": 1},
    {"usage_raw": None},
    {"usage_raw": '{"tokens": 1}', "input_tokens": 1},
    {"request_model": None, "response_model": None, "input_tokens": 1, "output_tokens": 1},
    {"input_tokens": 1, "output_tokens": 1},
)
OF_EACH_ROW: Final = ("Calls", "Rated", "Hits")
_LINK: Final = re.compile(r'href="(/ui/requests\?[^"]+)"[^>]*>([\d,]+)( failed)?</a>')


def _rows() -> list[RequestRow]:
    """Each name has another number of calls, some of them failed or rated, so that no two are taken for each other."""
    begin = datetime.now(UTC) - timedelta(days=2)
    columns: list[dict[str, object]] = [
        {
            "user_id": name,
            "session_id": name or f"session-{turn}",
            "request_model": name,
            "error_type": name if turn % 3 == 1 and name else None,
            "client_repository": name,
            "prompt_id": name,
            "properties": {} if name is None else {"feature": name},
            "client": CLIENTS[(place + turn) % len(CLIENTS)],
            "cache_status": ("hit", "coalesced", "miss", None)[turn % 4],
            "cost_nanousd": 1000,
            "saved_nanousd": 5,
        }
        for place, name in enumerate(NAMES)
        for turn in range(place + 2)
    ]
    columns += [{"session_id": TOGETHER, "user_id": f"user-{number}"} for number in (7, 3, 9, 1, 8, 2, 6)]
    columns += [{"request_model": "acme", **each} for each in UNPRICED for _ in range(2)]
    return [
        RequestRow(
            request_id=f"0199f000-0000-7000-8000-{number:012x}",
            started_at=begin + timedelta(seconds=number),
            provider_name="openai",
            operation_name="chat",
            **{"status": 200, "duration_ms": 5, **each},  # type: ignore[arg-type]
        )
        for number, each in enumerate(columns)
    ]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    data, rows = tmp_path_factory.mktemp("odd"), _rows()
    settle(Path(data), rows, 1)
    ratings = [
        FeedbackRow(request_id=row.request_id, created_at=row.started_at, rating=number % 3 > 0)
        for number, row in enumerate(rows)
        if number % 2
    ]
    tell(Path(data), ratings, 2)
    with serving(Path(data)) as url, httpx.Client(base_url=url, timeout=60, headers={"HX-Request": "true"}) as http:
        yield http


@pytest.mark.parametrize(
    ("part", "least"),
    [
        ("overview/-/tops", 20),
        ("overview/-/properties", 8),
        ("models/-/costs", 12),
        ("models/-/unpriced", 9),
        ("users/-/costs", 12),
        ("clients/-/clients", 6),
        ("clients/-/repositories", 12),
        ("errors/-/errors", 10),
        ("errors/-/models", 10),
        ("cache/-/cache", 12),
        ("feedback/-/prompts", 8),
        ("feedback/-/users", 8),
        ("health/-/unpriced", 9),
        ("sessions/-/rows", 10),
        ("properties/-/values?name=feature", 10),
    ],
)
def test_a_number_leads_to_as_many_calls(odd: httpx.Client, part: str, least: int) -> None:
    page = odd.get(f"/ui/{part}")
    assert page.status_code == 200, page.text
    # Of some columns the number is another one: tokens, sessions, users and sums.
    rows = re.findall(r"<tr data-row[^>]*>(.*?)</tr>", page.text, re.DOTALL)
    heads = [
        re.sub(r"<[^>]+>", "", head).strip(" ↓↑\n")
        for head in re.findall(r"<th scope=\"col\".*?</th>", page.text, re.DOTALL)
    ]
    counted = 0
    for number, row in enumerate(rows):
        for head, cell in zip(heads, re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row, re.DOTALL), strict=False):
            link = _LINK.search(cell)
            if link is None or head in (
                "Sessions",
                "Users",
                "User agents",
                "Input",
                "Output",
                "Cached input",
                "Status",
            ):
                continue
            if not re.search(r'class="[^"]*number', cell) or (number > 3 and head not in OF_EACH_ROW):
                continue
            address = unescape(link[1]).replace("/ui/requests?", "/ui/requests/-/summary?")
            said = re.search(r"<b>([\d,]+)</b> calls?", odd.get(address).text)
            assert said and said[1] == link[2], (head, link[2], address, said)
            counted += 1
    assert counted >= least


def test_of_a_sessions_users_the_same_ones_are_named_each_time(odd: httpx.Client) -> None:
    row = odd.get(f"/ui/sessions/-/rows?session={TOGETHER}").text
    assert re.findall(r"<bdi[^>]*>([^<]*)</bdi>", row) == ["user-1", "user-2", "user-3"]
    assert "and 4 more" in row
