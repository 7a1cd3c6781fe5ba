"""Addresses that make no sense: a page says so or leaves it out, and never breaks."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import pytest

PATHS: Final = (
    "/ui/overview",
    "/ui/overview/-/totals",
    "/ui/requests/-/rows",
    "/ui/sessions/-/rows",
    "/ui/models/-/costs",
)
WRONG: Final = (
    *("since=nonsense", "since=9999999999d", "since=2026-13-45", "since=1e400d", "since=-5d", "until=2020-01-01"),
    *("since=0001-01-01&until=0001-01-02", "since=9999-12-31&until=9999-12-31", "since=today&until=yesterday"),
    *("zone=Mars/Olympus", "zone=../../etc/passwd", "zone=%00"),
    *("sort=nonsense", "sort=-%27;drop", "sort=" + "x" * 5000, "columns=%01%02", "as=banana", "compare=banana"),
    *("after=zzz", "after=-1", "after=99999999999999999999999", "after=NaN"),
    *("by=property:", "by=property:%00", "by=property:" + "x" * 3000),
    *("cost=>1e999", "cost=>" + "9" * 400, "tokens=1..", "tokens=..", "latency=9999999999999999999h"),
    *("status=99999999999999999999999999", "attempts=>99999999999999999999", "stream=maybe", "fallback=maybe"),
    *("user=%00", "user=%FF%FE", "user=%1b[31m", "user=%E2%80%AE", "id=%27", "repeats=", "repeats=x"),
    *("words=%22", "words=%00", "words=" + "a" * 600, "property:=x", "property:%27a=b", "nofilter=1", "token=((("),
    *("&".join(f"user={i}" for i in range(200)), "=", "&&&", "%", "%zz=1"),
)


@pytest.mark.parametrize("path", PATHS)
def test_what_makes_no_sense_in_an_address_breaks_nothing(http: httpx.Client, path: str) -> None:
    headers = {"HX-Request": "true"} if "/-/" in path else {}

    def ask(query: str) -> httpx.Response:
        return http.get(f"{path}?{query}", follow_redirects=True, headers=headers)

    with ThreadPoolExecutor(4) as pool:  # as many as the server answers at once
        for query, answer in zip(WRONG, pool.map(ask, WRONG), strict=True):
            assert answer.status_code in (200, 400), (query[:80], answer.status_code)
            assert "could not answer" not in answer.text and "Traceback" not in answer.text, query[:80]
