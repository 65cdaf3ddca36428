"""Types of settings that several areas share."""

import re
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, TypeAdapter

_STORE = re.compile(r"file:///.|(?!file:|memory:)[a-z0-9+]+://[^/]|(?![a-z0-9+]*:)")


def _address(text: str) -> str:
    """Check an address and leave its last slash out, so that a path can be put behind it."""
    return str(TypeAdapter(AnyHttpUrl).validate_python(text)).rstrip("/")


def _store(text: str) -> str:
    # s3:/x is a folder of that name to a library, and of s3:// the year of the first key becomes the bucket
    if not _STORE.match(text):
        raise ValueError("names no store: write a folder, or s3://bucket/folder")
    return text


WebAddress = Annotated[str, AfterValidator(_address)]
StoreAddress = Annotated[str, AfterValidator(_store)]
