"""Objects in a bucket, by obstore: put with a read-back, get, list, delete. Every failure is told in a person's words.

What is put is believed only once the store has told its size and its MD5, or has given the bytes back. obstore is imported
where a store is opened: only `heliograph[s3]` has it.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from addon.objects.words import kind_of, may_not, refuses, words_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES: Final = ("s3", "gs", "az", "abfs", "abfss")
_URL: Final = re.compile(rf"(?:{'|'.join(SCHEMES)})://[^/\s?#@]+(?:@[^/\s?#]+)?(?:/[^\s?#]*)?")
# One request up to here; above it in parts, so that a lost connection costs one part.
PART_BYTES: Final = 16 * 2**20
_ONE_PUT_BYTES: Final = 64 * 2**20
_READ_BYTES: Final = 2**20
# Variables that obstore reads, too.
_ENDPOINTS: Final = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_RETRIES: Final[Any] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_TIMES: Final[Any] = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)}


class StoreTrouble(Exception):
    """The store did not do it. The message says what was wrong and what to do."""


class NotThere(StoreTrouble):
    """There is no such object."""


class Unchanged(StoreTrouble):
    """The object is still the one that was asked about."""


class Changed(StoreTrouble):
    """Another process has written the object since it was read."""


class Untrue(StoreTrouble):
    """The store took the bytes and has others, or none."""


@dataclass(frozen=True, slots=True)
class Found:
    """One object of a listing. `etag` changes with its bytes."""

    path: str
    size: int
    etag: str | None
    at: float = 0.0  # epoch seconds by the store's clock: when it was put


def is_url(text: str) -> bool:
    """Whether this names a store, and no folder."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def is_nearly_url(text: str) -> bool:
    """Whether a slash after the scheme is missing, as where a person forgot it or `Path` took it away."""
    return text.partition(":")[0] in SCHEMES and ":" in text and not is_url(text) and not os.path.lexists(text)


def checked_url(text: str) -> str:
    """The URL without a slash at its end. Raises ValueError that says what is allowed."""
    if not _URL.fullmatch(text):
        raise ValueError(
            f'{text!r} is not the address of a bucket; write e.g. "s3://bucket/prefix" ({", ".join(SCHEMES)})'
        )
    return text.rstrip("/")


class Store:
    """The objects under one URL. Every method may block, and raises StoreTrouble. Threads may share it."""

    def __init__(self, url: str, patience_s: float | None = None) -> None:
        """`patience_s`: for each request, which is then not tried again; None: minutes, for large files. Raises StoreTrouble
        where obstore is missing or the URL is not one of a store."""
        self.url = url
        self._store = _opened(url, patience_s)
        # Google compares the number of a version and not an etag, so the etag is compared here first.
        self._compares_here = kind_of(url) == "gs"

    def put_file(self, path: str, file: Path, md5: str) -> None:
        """Stores a file, and reads back what the store has now. `md5`: of its bytes. Raises OSError for the file, Untrue."""
        import obstore

        size = file.stat().st_size
        self._try(
            "write",
            lambda: obstore.put(
                self._store, path, file, use_multipart=size > _ONE_PUT_BYTES, chunk_size=PART_BYTES, max_concurrency=2
            ),
        )
        self.check(path, size, md5)

    def put(self, path: str, data: bytes, etag: str | None) -> str | None:
        """Stores bytes in place of those with this `etag`, None: where nothing is yet. Returns their own etag. Raises
        Changed, and Untrue where they cannot be read back."""
        import obstore

        mode = self._only_if(path, etag)
        done = self._try("write", lambda: obstore.put(self._store, path, data, mode=mode, use_multipart=False))
        stored, etag = self.get(path)
        if stored != data:
            raise Untrue(f"{self.url}: the store took {path} and has other bytes than it was given")
        return etag or done.get("e_tag")

    def learn_conditions(self, path: str, data: bytes) -> None:
        """Tries whether the store refuses to make an object that is there, with the bytes that it has. Some stores that speak
        S3 pass over the condition: from then on it is checked here before each put."""
        import obstore

        try:
            self._try("write", lambda: obstore.put(self._store, path, data, mode="create", use_multipart=False))
        except Changed:
            return
        self._compares_here = True

    def _only_if(self, path: str, etag: str | None) -> Any:
        """The condition of a put, in obstore's form. Raises Changed."""
        import obstore

        if not self._compares_here:
            return {"e_tag": etag} if etag else "create"
        try:
            found = self._try("read", lambda: obstore.head(self._store, path))
        except NotThere:
            found = {"e_tag": None}
        if found["e_tag"] != etag:
            raise Changed(f"{self.url}: another process has written the same object")
        if not etag:
            return "create"
        return {"e_tag": etag} | ({"version": found["version"]} if found.get("version") else {})

    def replace(self, path: str, data: bytes) -> None:
        """Stores bytes in place of whatever is there. Not read back: for what is written again soon."""
        import obstore

        self._try("write", lambda: obstore.put(self._store, path, data, use_multipart=False))

    def check(self, path: str, size: int, md5: str) -> None:
        """Raises Untrue where the store does not have these bytes."""
        import obstore

        try:
            found = self._try("read", lambda: obstore.head(self._store, path))
        except NotThere as error:
            raise Untrue(f"{self.url}: the store said that it took {path}, and does not have it") from error
        if found["size"] != size:
            raise Untrue(f"{self.url}: {path} has {found['size']:,} bytes in the store, and {size:,} here")
        etag = (found.get("e_tag") or "").strip('"')
        if etag == md5:
            return
        # Parts, encryption by a key of one's own, and stores that are not S3 have other etags: then the bytes tell.
        read = hashlib.md5(usedforsecurity=False)
        for part in self._try("read", lambda: obstore.get(self._store, path).stream(min_chunk_size=_READ_BYTES)):
            read.update(part)
        if read.hexdigest() != md5:
            raise Untrue(f"{self.url}: {path} has other bytes in the store than here")

    def get(self, path: str) -> tuple[bytes, str | None]:
        """All bytes and the etag. Raises NotThere."""
        import obstore

        def read() -> tuple[bytes, str | None]:
            found = obstore.get(self._store, path)
            return bytes(found.bytes()), found.meta.get("e_tag")

        found: tuple[bytes, str | None] = self._try("read", read)
        return found

    def get_changed(self, path: str, etag: str | None, most: int) -> tuple[bytes, str | None]:
        """At most `most` + 1 bytes and the etag. Raises NotThere, and Unchanged where it still has this `etag`."""
        import obstore
        from obstore.exceptions import NotModifiedError

        def read() -> tuple[bytes, str | None]:
            try:
                found = obstore.get(self._store, path, options={"if_none_match": etag} if etag else None)
            except NotModifiedError as error:
                raise Unchanged(f"{self.url}: {path} is as before") from error
            if found.meta["size"] > most:
                return bytes(most + 1), None
            return bytes(found.bytes()), found.meta.get("e_tag")

        found: tuple[bytes, str | None] = self._try("read", read)
        return found

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """Raises NotThere."""
        import obstore

        found: bytes = self._try(
            "read", lambda: bytes(obstore.get_range(self._store, path, start=start, length=length))
        )
        return found

    def get_file(self, path: str, target: Path) -> None:
        """Writes all bytes of an object into a new file. Raises NotThere, OSError."""
        import obstore

        with open(target, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            for part in self._try("read", lambda: obstore.get(self._store, path).stream(min_chunk_size=_READ_BYTES)):
                out.write(part)
            out.flush()
            os.fsync(out.fileno())

    def list(self, prefix: str) -> Iterator[Found]:
        import obstore

        pages = self._try("list", lambda: obstore.list(self._store, prefix, chunk_size=1000))
        while page := self._try("list", lambda: next(pages, None)):
            yield from (
                Found(each["path"], each["size"], _quoted(each.get("e_tag")), each["last_modified"].timestamp())
                for each in page
            )

    def delete(self, paths: Sequence[str]) -> None:
        """Those that are not there are as good as deleted."""
        import obstore

        for path in paths:
            try:
                self._try("delete", partial(obstore.delete, self._store, path))
            except NotThere:
                continue

    def _try(self, verb: str, action: Callable[[], Any]) -> Any:
        from obstore.exceptions import BaseError

        try:
            return action()
        except (BaseError, FileNotFoundError, PermissionError, ConnectionError, TimeoutError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of a file here
            raise _in_words(self.url, verb, error) from error


def _quoted(etag: str | None) -> str | None:
    """Azure's listings leave out the quotes that its other answers have."""
    return f'"{etag}"' if etag and not etag.endswith('"') else etag


def _opened(url: str, patience_s: float | None) -> "ObjectStore":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise StoreTrouble(
            f"{url}: object storage needs the extra s3; install it: pip install 'heliograph[s3]'"
        ) from error
    is_plain = endpoint_of(kind_of(url), os.environ).startswith("http://")
    options = {**_TIMES, "allow_http": True} if is_plain else {**_TIMES}
    retries = _RETRIES
    if patience_s is not None:
        options |= {"timeout": timedelta(seconds=patience_s), "connect_timeout": timedelta(seconds=patience_s)}
        retries = {**_RETRIES, "max_retries": 0}
    given: dict[str, Any] = {"client_options": options, "retry_config": retries}
    if url.startswith("s3://") and (provider := _of_boto3()):
        given["credential_provider"] = provider
    try:
        return from_url(url, **given)
    except (BaseError, ValueError) as error:
        words = words_of(url, "open", "", str(error)) or f"cannot be opened: {_first_line(error)}"
        raise StoreTrouble(f"{url}: {words}") from error


def endpoint_of(kind: str, environ: Mapping[str, str]) -> str:
    """Another address than the cloud's own, where the environment names one; else "". `kind`: s3, gs or az."""
    return next((environ[name] for name in _ENDPOINTS[kind] if environ.get(name)), "")


def _of_boto3() -> Any:
    """Profiles and single sign-on, which obstore itself does not read, where boto3 is installed beside us; else None."""
    if "AWS_ACCESS_KEY_ID" in os.environ:
        return None
    folder = Path.home() / ".aws"
    if not ("AWS_PROFILE" in os.environ or (folder / "credentials").exists() or (folder / "config").exists()):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    return Boto3CredentialProvider()


def _in_words(url: str, verb: str, error: BaseException) -> StoreTrouble:
    from obstore.exceptions import AlreadyExistsError, PermissionDeniedError, PreconditionError, UnauthenticatedError

    text = str(error)
    found = _CODE.search(text)
    code = found[1] if found else ""
    if isinstance(error, AlreadyExistsError | PreconditionError) or code in (
        "PreconditionFailed",
        "ConditionalRequestConflict",
    ):
        return Changed(f"{url}: another process has written the same object")
    if words := words_of(url, verb, code, text):
        return StoreTrouble(f"{url}: {words}")
    if isinstance(error, FileNotFoundError):
        return NotThere(f"{url}: {_first_line(error)}")
    if isinstance(error, UnauthenticatedError):
        return StoreTrouble(f"{url}: {refuses(url)} ({code or _first_line(error)})")
    if isinstance(error, PermissionDeniedError | PermissionError):
        return StoreTrouble(f"{url}: {may_not(url, verb)} ({code or _first_line(error)})")
    return StoreTrouble(f"{url}: cannot {verb}: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    """obstore's message is a page with its inner structure below it."""
    return str(error).partition("\n")[0][:300] or type(error).__name__


def md5_of(file: Path) -> str:
    """Raises OSError."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def is_md5(text: object) -> bool:
    return isinstance(text, str) and bool(_MD5.fullmatch(text))
