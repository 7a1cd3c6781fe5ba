import shutil
from pathlib import Path

import pytest
import tiktoken

from addon.metering import estimate
from addon.metering.estimate import CL100K, O200K, VOCABULARY, estimate_tokens

TEXT = "Hello, wörld! I'd say 12345 tokens…\n\n  def f(x):\r\n\treturn x  # 日本語 🙂"


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-2024-08-06", O200K),
        ("gpt-4.1-mini", O200K),
        ("gpt-5", O200K),
        ("o3", O200K),
        ("claude-sonnet-4-5", O200K),
        (None, O200K),
        ("gpt-4", CL100K),
        ("gpt-4-turbo", CL100K),
        ("gpt-3.5-turbo", CL100K),
        ("gpt-35-turbo", CL100K),
        ("ft:gpt-3.5-turbo:org::id", CL100K),
        ("text-embedding-3-small", CL100K),
    ],
)
def test_the_counts_are_those_of_tiktoken_itself(
    model: str | None, encoding: tuple[str, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(VOCABULARY, tmp_path / "cache")  # a copy: tiktoken deletes what it does not like
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "cache"))
    theirs = tiktoken.get_encoding(encoding[0])
    assert estimate_tokens(TEXT, model) == len(theirs.encode(TEXT, disallowed_special=()))
    assert theirs._pat_str == encoding[3]


def test_special_tokens_are_plain_text() -> None:
    assert estimate_tokens("<|endoftext|>", "gpt-4o") > 1


def test_an_empty_text_has_no_tokens_and_one_endless_word_is_counted() -> None:
    assert estimate_tokens("", None) == 0
    assert 100_000 < estimate_tokens("a" * 1_000_000, None) < 200_000


def test_a_damaged_vocabulary_is_named_and_left_alone(tmp_path: Path) -> None:
    damaged = tmp_path / "table"
    damaged.write_bytes(b"QQ== 0\n")
    with pytest.raises(ValueError, match=r"table: not the vocabulary o200k_base"):
        estimate._encoding("o200k_base", str(damaged), O200K[2], O200K[3])
    assert damaged.exists()
