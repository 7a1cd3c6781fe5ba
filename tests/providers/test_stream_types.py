import pytest

from addon.providers.stream_types import is_stream, media_type


@pytest.mark.parametrize(
    "content_type",
    ["text/event-stream", "Text/Event-Stream", "text/event-stream; charset=utf-8", " TEXT/EVENT-STREAM;x"],
)
def test_a_stream_is_told_by_its_media_type_in_any_case_and_with_any_parameters(content_type: str) -> None:
    assert is_stream(content_type)


@pytest.mark.parametrize("content_type", [None, "", "application/json", "text/event-streams", "text/plain"])
def test_every_other_answer_is_not_a_stream(content_type: str | None) -> None:
    assert not is_stream(content_type)


def test_a_media_type_has_no_parameters() -> None:
    assert media_type("Application/JSON; charset=utf-8") == "application/json"
