"""The text fields of a form (`multipart/form-data`, RFC 7578): transcriptions, image edits and translations are sent so."""

import re
from typing import Final

BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
NAME: Final = re.compile(rb'content-disposition:[^\r\n]*?[; ]name="([^"]*)"', re.IGNORECASE)
# A longer value is a file or a prompt, which nothing is priced by.
LONGEST_VALUE: Final = 1024


def text_fields(body: bytes, content_type: str | None) -> dict[str, str] | None:
    """Name and value of each short field; None where the body is not a form. Files are left out."""
    kind = content_type or ""
    match = BOUNDARY.search(kind)
    if match is None or not kind.lower().lstrip().startswith("multipart/form-data"):
        return None
    fields: dict[str, str] = {}
    for part in body.split(b"--" + match[1].encode("latin-1", "replace"))[1:]:
        head, blank, value = part.partition(b"\r\n\r\n")
        named = NAME.search(head)
        value = value.removesuffix(b"\r\n")
        if blank and named and b"filename=" not in head.lower() and len(value) <= LONGEST_VALUE:
            fields[named[1].decode("utf-8", "replace")] = value.decode("utf-8", "replace")
    return fields
