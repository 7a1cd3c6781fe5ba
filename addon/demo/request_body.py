"""The body of a request as a made-up provider reads it. Pure."""

import gzip

import zstandard


def decoded(body: bytes, encoding: str | None) -> bytes:
    """A request body without its compression; some agents send zstd."""
    match encoding:
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)
        case "gzip":
            return gzip.decompress(body)
        case _:
            return body


def dechunked(data: bytearray, start: int) -> tuple[bytes, int] | None:
    """(body, where it ends) of a chunked body without trailers, or None while it is incomplete."""
    spans: list[tuple[int, int]] = []  # copied only when all is there: this runs again for every packet
    while (line_end := data.find(b"\r\n", start)) >= 0:
        piece_start = line_end + 2
        piece_end = piece_start + int(data[start:line_end].partition(b";")[0], 16)
        if len(data) < piece_end + 2:
            return None
        if piece_end == piece_start:
            return b"".join(data[first:last] for first, last in spans), piece_end + 2
        spans.append((piece_start, piece_end))
        start = piece_end + 2
    return None
