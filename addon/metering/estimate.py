"""Token counts where a provider states none, by tiktoken with the vocabularies shipped beside this file.

tiktoken's own loader deletes a file whose hash it does not like and asks the network for another. So the tables are
read here: one line per token, base64 of its bytes and its rank. The patterns are those of `tiktoken_ext.openai_public`.
"""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tiktoken import Encoding

VOCABULARY: Final = Path(__file__).parent / "vocabulary"
# The files are named as in tiktoken's cache, by the sha1 of their address; then the sha256 of their content.
CL100K: Final = (
    "cl100k_base",
    "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s""",
)
O200K: Final = (
    "o200k_base",
    "fb374d419588a4632f3f557e76b4b70aebbca790",
    "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
    r"""|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"""
    r"""|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
)
# Models before gpt-4o, fine-tuned ones and Azure's spelling included. All later ones use o200k, and so does whatever we
# do not know: as good a guess as any.
OLDER: Final = re.compile(r"(?:ft:)?(?:gpt-4(?![o.])|gpt-3\.?5|text-embedding-|davinci-002|babbage-002)")
# One word without an end (base64, a run of spaces) makes a tokenizer slow; at a cut the count is off by a token.
SLICE_CHARACTERS: Final = 20_000
# No model reads more at once, and to count them takes 0.2 s. What is longer is estimated by its beginning.
COUNTED_CHARACTERS: Final = 1_000_000


def estimate_tokens(text: str, model: str | None) -> int:
    """How many tokens `text` is to `model`. Special tokens in it are plain text, as the API treats them."""
    encoding = _encoding(*(CL100K if OLDER.match(model or "") else O200K))
    counted = min(len(text), COUNTED_CHARACTERS)
    tokens = sum(
        len(encoding.encode_ordinary(text[start : min(start + SLICE_CHARACTERS, counted)]))
        for start in range(0, counted, SLICE_CHARACTERS)
    )
    return tokens if counted == len(text) else round(tokens * len(text) / counted)


@cache  # some 0.5 s and 80 MB, so only when the first estimate is asked for
def _encoding(name: str, file: str, sha256: str, pattern: str) -> "Encoding":
    from tiktoken import Encoding

    path = VOCABULARY / file
    table = path.read_bytes()
    if hashlib.sha256(table).hexdigest() != sha256:
        raise ValueError(f"{path}: not the vocabulary {name} that was shipped; install heliograph again")
    ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in table.splitlines())}
    return Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
