"""The text fields of a form (`multipart/form-data`, RFC 7578): transcriptions, image edits and translations are sent so."""

import re
from dataclasses import dataclass
from typing import Final

BOUNDARY: Final = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
NAME: Final = re.compile(rb'content-disposition:[^\r\n]*?[; ]name="([^"]*)"', re.IGNORECASE)
FILENAME: Final = re.compile(rb'filename="?([^"\r\n;]*)', re.IGNORECASE)
TYPE: Final = re.compile(rb"^content-type:([^\r\n;]*)", re.IGNORECASE | re.MULTILINE)
# A longer value is a file or a prompt, which nothing is priced by.
LONGEST_VALUE: Final = 1024


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form, or a file that was uploaded with it."""

    name: str
    content: bytes
    content_type: str | None = None
    filename: str | None = None  # of a file


def text_fields(body: bytes, content_type: str | None) -> dict[str, str] | None:
    """Name and value of each short field; None where the body is not a form. Files are left out."""
    return form_fields(body, content_type, LONGEST_VALUE)


def form_fields(body: bytes, content_type: str | None, longest_value: int | None = None) -> dict[str, str] | None:
    """Name and value of each field up to that many bytes; None where the body is not a form. Files are left out."""
    parts = form_parts(body, content_type)
    if parts is None:
        return None
    return {
        part.name: part.content.decode("utf-8", "replace")
        for part in parts
        if part.filename is None and (longest_value is None or len(part.content) <= longest_value)
    }


def uploaded_files(body: bytes, content_type: str | None) -> list[FormPart]:
    return [part for part in form_parts(body, content_type) or [] if part.filename is not None]


def form_parts(body: bytes, content_type: str | None) -> list[FormPart] | None:
    """All that a form has; None where the body is not a form."""
    kind = content_type or ""
    match = BOUNDARY.search(kind)
    if match is None or not kind.lower().lstrip().startswith("multipart/form-data"):
        return None
    found: list[FormPart] = []
    for part in body.split(b"--" + match[1].encode("latin-1", "replace"))[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank and (named := NAME.search(head)):
            typed, filed = TYPE.search(head), FILENAME.search(head)
            found.append(
                FormPart(
                    name=named[1].decode("utf-8", "replace"),
                    content=content.removesuffix(b"\r\n"),
                    content_type=typed[1].decode("latin-1").strip() if typed else None,
                    filename=filed[1].decode("utf-8", "replace") if filed else None,
                )
            )
    return found
