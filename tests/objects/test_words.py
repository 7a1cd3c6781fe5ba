"""Errors of stores in words, for what no server here answers."""

import pytest

from addon.config.places import data_folder
from addon.objects.words import words_of


@pytest.mark.parametrize(
    ("url", "text", "words"),
    [
        ("s3://b", "GET http://169.254.169.254/latest/meta-data", "set AWS_ACCESS_KEY_ID"),
        ("gs://b", "GET http://metadata.google.internal/computeMetadata", "set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://b", "GET http://169.254.169.254/metadata/identity", "set AZURE_STORAGE_ACCOUNT_KEY"),
        ("abfss://b@a.dfs.core.windows.net", "http://169.254.169.254/metadata", "set AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
def test_missing_credentials_name_the_variables_of_their_cloud(url: str, text: str, words: str) -> None:
    assert words in (words_of(url, "read", "", text) or "")


@pytest.mark.parametrize(
    ("url", "code", "text", "words"),
    [
        (
            "az://b",
            "",
            "Generic MicrosoftAzure error: Error performing GET http://127.0.0.1:9/account/b/x in 252ms, after 2 retries"
            "  - HTTP error: error sending request",
            "http://127.0.0.1:9 cannot be reached; is the network up, and is that address right? AZURE_STORAGE_ENDPOINT",
        ),
        (
            "s3://b",
            "",
            "Error performing GET https://s3.us-east-1.amazonaws.com/b/x in 1s - HTTP error: error sending request",
            "https://s3.us-east-1.amazonaws.com cannot be reached",
        ),
        ("s3://b", "PermanentRedirect", "301", "the bucket is in another region; set AWS_REGION"),
        ("s3://b", "", "Received redirect without LOCATION, this normally indicates", "set AWS_REGION"),
        ("az://B", "InvalidResourceName", "400", "3 to 63 lower-case letters"),
        (
            "az://b",
            "",
            "Unable parse source url. Url: , Error: relative URL without a base",
            "AZURE_STORAGE_ENDPOINT is not a URL",
        ),
        (
            "gs://b",
            "",
            "Generic GCS error: Unable to open service account file from /nowhere.json: No such file or directory",
            "GOOGLE_APPLICATION_CREDENTIALS names cannot be used: Generic GCS error: Unable to open",
        ),
    ],
)
def test_what_newcomers_meet_says_what_to_do(url: str, code: str, text: str, words: str) -> None:
    assert words in (words_of(url, "read", code, text) or "")


def test_an_error_that_is_not_known_has_no_other_words() -> None:
    assert words_of("gs://b", "read", "", "Unable to extract metadata from headers") is None


@pytest.mark.parametrize("typed", ["az:/calls/team", "s3:bucket/team", "gs:/bucket"])
def test_a_url_with_a_slash_too_few_is_not_taken_for_a_folder(typed: str) -> None:
    with pytest.raises(ValueError, match="neither a folder nor the URL of a bucket"):
        data_folder(typed)
