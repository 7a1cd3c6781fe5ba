"""What a store means by its errors, in a person's words. Pure."""

import re
from typing import Final

# Error codes of S3 and Google, https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
# https://cloud.google.com/storage/docs/xml-api/reference-status; of Azure,
# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes.
_NAMES: Final = (
    "the store takes no such name of a bucket or container: use 3 to 63 lower-case letters, digits and hyphens"
)
_REGION: Final = "the bucket is in another region; set AWS_REGION to that of the bucket"
_WORDS: Final = {
    "NoSuchBucket": "there is no such bucket; make it, or correct its name",
    "AccessDenied": "these credentials may not {verb} there; they need {rights}",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidAccessKeyId": "the store does not know this access key; correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key does not fit the access key; correct AWS_SECRET_ACCESS_KEY",
    "InvalidToken": "the session token is not valid; renew the credentials",
    "RequestTimeTooSkewed": "the clock of this machine is wrong, so the store refuses its requests; set the clock",
    "SlowDown": "the store asks for fewer requests; trying again later",
    "ContainerNotFound": "there is no such container; make it, or correct its name",
    "AuthorizationPermissionMismatch": "these credentials may not {verb} there; they need {rights}",
    "ServerBusy": "the store asks for fewer requests; trying again later",
    "AccountIsDisabled": "the storage account is disabled",
    "InvalidBucketName": _NAMES,
    "InvalidResourceName": _NAMES,
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
}
# Azure says the same of a wrong key, an expired token and a wrong clock.
_REFUSED: Final = "the store refuses these credentials: the key or SAS token is wrong or has expired, or the clock of this machine is wrong"
_RIGHTS: Final = {
    "s3": "ListBucket, GetObject, PutObject and DeleteObject",
    "gs": "the role Storage Object User (roles/storage.objectUser)",
    "az": "the role Storage Blob Data Contributor, or a SAS token with the permissions rwdl",
}
_NO_CREDENTIALS: Final = {
    "s3": "no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
    "gs": "no credentials found; set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or give this machine one",
    "az": "no credentials found; set AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or give this machine an identity",
}
_ADDRESSES: Final = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}
_NOT_REACHED: Final = re.compile(r"error sending request|error trying to connect|dns error|operation timed out")
_ADDRESS: Final = re.compile(r"https?://[^/\s]+")
_METADATA_SERVERS: Final = ("169.254.169.254", "metadata.google.internal", "computeMetadata")


def kind_of(url: str) -> str:
    """s3, gs or az."""
    scheme = url.partition("://")[0]
    return "az" if scheme.startswith("abfs") else scheme


def words_of(url: str, verb: str, code: str, text: str) -> str | None:
    """`verb`: what was tried. `code`: the store's, or "". `text`: the whole error. None: nothing better is known than the text."""
    kind = kind_of(url)
    if kind == "az" and code in ("AuthenticationFailed", "AuthorizationFailure"):
        return _REFUSED
    if words := _WORDS.get(code):
        return words.format(verb=verb, rights=_RIGHTS[kind])
    if any(server in text for server in _METADATA_SERVERS):
        return _NO_CREDENTIALS[kind]
    if _NOT_REACHED.search(text):
        address = _ADDRESS.search(text)
        return (
            f"{address[0] if address else 'the store'} cannot be reached; is the network up, and is that address right?"
            f" {_ADDRESSES[kind]} sets another one"
        )
    if "Received redirect without LOCATION" in text:
        return _REGION
    if "relative URL without a base" in text:
        return f"the address in {_ADDRESSES[kind]} is not a URL; correct it or unset it"
    if "service account file" in text:
        return f"the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be used: {text.partition(chr(10))[0][:200]}"
    if "Account must be specified" in text:
        return "no storage account is named; set AZURE_STORAGE_ACCOUNT_NAME"
    if "Invalid Access Key" in text:
        return "AZURE_STORAGE_ACCOUNT_KEY is not a key of Azure: those are Base64"
    return None


def refuses(url: str) -> str:
    """It does not know the caller, and gives no code."""
    return _REFUSED if kind_of(url) == "az" else "the store refuses these credentials: they are wrong or have expired"


def may_not(url: str, verb: str) -> str:
    """A refusal without a code."""
    return _WORDS["AccessDenied"].format(verb=verb, rights=_RIGHTS[kind_of(url)])
