"""Settings of the stores of files: proofs, exports, invoices and backups."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from configs.settings.value_types import Seconds, StoreAddress

_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")


def _recipients(text: str) -> str:
    for each in text.split(","):
        if not _RECIPIENT.fullmatch(each.strip()):
            raise ValueError(
                "holds no public keys of age, age1… with commas between them: `python -m deploy.backup key` makes one"
            )
    return text


class StoreSettings(BaseSettings):
    """A folder or a bucket for each kind of file."""

    # Proofs
    proofs_url: StoreAddress | None = None
    proofs_access_key_id: str | None = None
    proofs_secret_access_key: SecretStr | None = None

    # Exports of personal data
    exports_url: StoreAddress | None = None
    exports_access_key_id: str | None = None
    exports_secret_access_key: SecretStr | None = None

    # Files of invoices
    invoices_url: StoreAddress | None = None
    invoices_access_key_id: str | None = None
    invoices_secret_access_key: SecretStr | None = None

    # Backups
    backup_url: StoreAddress | None = None
    backup_recipients: Annotated[str, AfterValidator(_recipients)] | None = None
    backup_access_key_id: str | None = None
    backup_secret_access_key: SecretStr | None = None
    backup_wal_seconds: Seconds = 30
    backup_call_seconds: Seconds = 60
    backup_hour: int = Field(2, ge=0, le=23)
