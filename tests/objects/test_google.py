"""A lake on Google Cloud Storage, by a server that does what Google's documents say: conditions are generations there."""

import time
from pathlib import Path

import pytest

from addon.objects.store import Store, StoreTrouble
from tests.objects.google import BUCKET, Google
from tests.objects.lakes import put_read_list_and_delete, ship_read_change_and_recall


def test_conditions_listings_and_large_files(google_store: Google, tmp_path: Path) -> None:
    put_read_list_and_delete(Store(f"gs://{BUCKET}/one"), tmp_path)


def test_a_lake_from_its_first_row_to_its_last(google_store: Google, tmp_path: Path) -> None:
    ship_read_change_and_recall(f"gs://{BUCKET}/team", tmp_path, time.time())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, "NoSuchBucket"), "there is no such bucket"),
        ((403, "AccessDenied"), "may not read there; they need the role Storage Object User"),
        ((401, "AuthenticationRequired"), "refuses these credentials"),
    ],
)
def test_what_is_wrong_is_told_in_words(google_store: Google, answer: tuple[int, str], words: str) -> None:
    google_store.refuses = answer
    with pytest.raises(StoreTrouble, match=words):
        Store(f"gs://{BUCKET}/team").get("a")
