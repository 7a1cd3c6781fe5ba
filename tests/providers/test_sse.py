from hypothesis import given
from hypothesis import strategies as st

from addon.providers.framing.sse import events
from addon.providers.model import Event

lines = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


def test_an_event_has_its_name_and_its_joined_data_lines() -> None:
    assert list(events(b"event: ping\ndata: one\ndata:two\n\n")) == [Event(event="ping", data="one\ntwo")]


def test_comments_ids_and_events_without_data_are_no_events() -> None:
    assert list(events(b": keep-alive\n\nid: 7\nretry: 3\n\nevent: lonely\n\ndata: x\n\n")) == [
        Event(event=None, data="x")
    ]


def test_a_name_is_for_one_event_only() -> None:
    assert [event.event for event in events(b"event: a\ndata: 1\n\ndata: 2\n\n")] == ["a", None]


def test_a_last_event_without_its_blank_line_counts() -> None:
    assert [event.data for event in events(b"data: 1\n\ndata: [DONE]")] == ["1", "[DONE]"]


def test_line_separators_inside_json_do_not_end_a_line() -> None:
    assert [event.data for event in events("data: a\u2028b\u0085c\n\n".encode())] == ["a\u2028b\u0085c"]


def test_a_byte_order_mark_and_broken_utf8_do_not_matter() -> None:
    assert [event.data for event in events(b"\xef\xbb\xbfdata: \xff!\n\n")] == ["\ufffd!"]


@given(st.lists(st.tuples(lines, lines), max_size=5), st.sampled_from(["\n", "\r", "\r\n"]))
def test_every_line_ending_reads_the_same(pairs: list[tuple[str, str]], end: str) -> None:
    body = "".join(f"event: {name}{end}data: {data}{end}{end}" for name, data in pairs)
    assert list(events(body.encode())) == [Event(event=name, data=data) for name, data in pairs]


@given(st.binary(max_size=300))
def test_nothing_raises(data: bytes) -> None:
    assert all(isinstance(event.data, str) for event in events(data))


@given(st.lists(lines.filter(bool), min_size=1, max_size=5), st.data())
def test_a_cut_body_loses_nothing_before_the_cut(texts: list[str], data: st.DataObject) -> None:
    pieces = [f"data: {text}\n\n".encode() for text in texts]
    whole = data.draw(st.integers(0, len(pieces) - 1))
    cut = data.draw(st.integers(0, len(pieces[whole])))
    read = [event.data for event in events(b"".join(pieces[:whole]) + pieces[whole][:cut])]
    assert read[:whole] == texts[:whole]
