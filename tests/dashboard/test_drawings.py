"""What the pages of requests and sessions are drawn from: trees, bars, pieces, hits. Bounded, whatever is in them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analysis.dashboard.colours import Look, colour_of, looks
from analysis.dashboard.json_tree import MOST_NODES, Node, hits, json_tree
from analysis.dashboard.one_session import calls_of_node
from analysis.dashboard.pages import run
from analysis.dashboard.session_tree import DEEPEST, WIDTH, session_tree
from analysis.dashboard.session_tree import MOST_NODES as MOST_PATHS
from analysis.dashboard.stream_pieces import HEIGHT, Words, brought, pieces_of
from analysis.dashboard.stream_pieces import WIDTH as STREAM_WIDTH
from analysis.dashboard.view import read_view
from analysis.lake import Lake
from analysis.reports.scope import Scope, open_scope
from analysis.reports.window import EVER
from tests.dashboard import said


def call(path: str | None, started_ms: int, duration_ms: int | None = 100, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"error_type": None, "input_tokens": 10, "output_tokens": 1, "cost_usd": 0.5}
    return {"session_path": path, "started_ms": started_ms, "duration_ms": duration_ms, **known, **more}


def test_a_tree_has_sums_at_each_path() -> None:
    root = session_tree([call("/a/b", 0), call("/a", 500, cost_usd=None), call(None, 900, error_type="x")])
    a = root.children["a"]
    assert (root.calls, root.errors, root.cost_usd, root.unpriced, root.duration_ms) == (3, 1, 1.0, 1, 1000)
    assert (a.calls, a.path, len(a.own), a.children["b"].path) == (2, "/a", 1, "/a/b")
    assert len(root.own) == 1


def test_a_path_of_a_session_leads_to_the_calls_at_it_and_below_it_as_they_wrote_it() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    view = read_view([("user", "ada")], path="/sessions", zone_name="UTC", theme=None, viewer=None, now=now)
    root = session_tree([call("a/b", 1_000), call("/a", 2_500), call("/ab", 3_000)])
    assert calls_of_node(view, "s", root.children["a"]) == (
        "/ui/requests?since=1970-01-01T00:00:01Z&until=1970-01-01T00:00:03Z&session=s&path=a/b&path=/a"
    )
    many = session_tree([call(f"/a/{number}", number) for number in range(25)])
    assert calls_of_node(view, "s", many.children["a"]) is None


def test_bars_stay_in_the_picture_whatever_the_clock_did() -> None:
    rows = [call("/a", 10_000), call("/a", 0, -50), call("/b", 5_000, None), call("/b", 9_999, 10**9)]
    root = session_tree(rows)
    for bar in [root.bar, *(child.bar for child in root.children.values()), *(row["bar"] for row in rows)]:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert bar.width >= 2


def test_very_many_and_very_deep_paths_are_few_nodes() -> None:
    root = session_tree([call(f"/{number}", number) for number in range(5000)] + [call("/x" * 5000, 0)])
    assert len(root.children) < MOST_PATHS
    assert root.calls == 5001
    deep, depth = session_tree([call("/x" * 5000, 0)]), 0
    while deep.children:
        (deep,) = deep.children.values()
        depth += 1
    assert depth == DEEPEST


def test_a_session_without_known_cost_has_none() -> None:
    root = session_tree([call("/a", 0, cost_usd=None, input_tokens=None)])
    assert (root.cost_usd, root.input_tokens, root.unpriced) == (None, None, 1)


def test_the_sums_are_those_of_the_report_tree(tmp_path: Path) -> None:
    said.write(tmp_path)

    def question(connection: Any) -> None:
        open_scope(connection, Scope(EVER, "session_id in ('agent-run', 'long')"))
        report = {(row["session_id"], row["session_path"]): row for row in run(connection, "tree").records()}
        for session in ("agent-run", "long"):
            rows = list(run(connection, "session_calls", {"session": session, "most": 10**6}).records())
            waiting = [session_tree(rows)]
            while waiting:
                node = waiting.pop()
                waiting += node.children.values()
                told = report.pop((session, node.path))
                assert (node.input_tokens or 0) + (node.output_tokens or 0) == told["tokens"]
                for name in ("calls", "errors", "unpriced", "duration_ms"):
                    assert getattr(node, name) == told[name], (node.path, name)
                assert node.cost_usd == pytest.approx(told["cost_usd"])
        assert report == {}

    Lake(tmp_path).ask(question)


def test_the_colour_of_a_name_does_not_depend_on_what_is_beside_it() -> None:
    assert [colour_of(name) for name in ("gpt-4o", "gpt-4.1", "claude-sonnet-4-5", "")] == ["2", "8", "8", "7"]
    for beside in ([], ["a", "b"], [f"rare-{number}" for number in range(20)]):
        assert looks(["gpt-4o", *beside])["gpt-4o"].colour == "2"


def test_names_of_a_chart_that_have_the_same_colour_differ_in_their_stripes() -> None:
    shown = looks(f"rare-{number}" for number in range(12))
    assert len(set(shown.values())) == 12
    assert looks(["gpt-4.1", "claude-sonnet-4-5"]) == {"claude-sonnet-4-5": Look("8", 0), "gpt-4.1": Look("8", 1)}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('data: {"choices":[{"index":0,"delta":{"content":" Which"}}]}', " Which"),
        ('event: x\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}', "Hi"),
        ('data: {"type":"response.output_text.delta","delta":"Hi"}', "Hi"),
        ('data: {"delta":{"type":"input_json_delta","partial_json":"{\\"a\\""}}', '{"a"'),
        ('data: {"candidates":[{"content":{"parts":[{"text":"Hi"},{"text":" you"}]}}]}', "Hi you"),
        ("data: [DONE]", ""),
        ('data: {"cut', ""),
        ("data: " + "[" * 5000 + "]" * 5000, ""),
        ("data: 5", ""),
    ],
)
def test_the_words_of_a_piece_are_found_whatever_the_api_calls_them(event: str, said: str) -> None:
    assert brought(event) == said


def count(node: Node) -> int:
    return 1 + sum(map(count, node.children))


def test_a_tree_of_json_is_bounded_and_says_what_it_leaves_out() -> None:
    tree = json_tree(json.dumps({"many": list(range(100_000)), "long": "x" * 10_000, "last": None}))
    assert tree and count(tree) <= MOST_NODES + 1
    many, long, last = tree.children
    assert many.left_out == 100_000 - len(many.children)
    assert (long.left_out, last.text, tree.is_open) == (6000, "null", True)
    deep = json_tree("[" * 900 + "]" * 900)
    assert deep and count(deep) < 50
    assert json_tree("data: {}") is None


def test_hits_have_their_path_and_what_is_around_them() -> None:
    text = json.dumps({"messages": [{"content": "one Needle and one needle"}], "needle": 7})
    found, total = hits(text, "NEEDLE")
    assert total == 3
    assert {(hit.path, hit.found) for hit in found} == {
        ("messages[0].content", "Needle"),
        ("messages[0].content", "needle"),
        ("needle", "needle"),
    }
    lines, _ = hits("event: a\ndata: needle\n", "needle")
    assert (lines[0].path, lines[0].before) == ("line 2", "data: ")
    assert hits("[" + '"a",' * 5000 + '"a"]', "a")[1] == 5001


def test_pieces_have_their_text_and_fit_the_picture() -> None:
    body = "data: é\n\n" * 3
    size = len("data: é\n\n".encode())
    found = pieces_of(json.dumps([[400, size], [10, size], [900, size]]), body, None)
    assert found
    assert [piece.text for piece in found.pieces] == ["data: é\n\n"] * 3
    assert (found.total_ms, found.longest_gap_ms) == (1310, 900)
    for piece in found.pieces:
        assert 0 <= piece.x <= piece.x + found.width <= STREAM_WIDTH + 0.01
        assert piece.y >= 0 and piece.y + piece.height <= HEIGHT + 0.01


def test_pieces_of_a_compressed_stream_have_no_text() -> None:
    found = pieces_of("[[1,5]]", "data", "gzip")
    assert found and found.pieces[0].text is None
    assert pieces_of(None, "data", None) is None
    assert pieces_of("nonsense", "data", None) is None


def test_words_of_an_answer_are_found_wherever_its_pieces_are_cut() -> None:
    stream = "".join(
        f'data: {{"choices":[{{"delta":{{"content":"{word} "}}}}]}}\n\n' for word in ("Grüße", "👩‍👩‍👧", "שלום")
    )
    stream += 'data: {"type":"response.output_text.done","text":"all of it again"}\n\ndata: [DONE]\n\n'
    for size in (1, 7, 64, 1000):
        words, raw = Words(), stream.encode()
        said = "".join(words.of(raw[at : at + size]) for at in range(0, len(raw), size))
        assert said == "Grüße 👩‍👩‍👧 שלום "
