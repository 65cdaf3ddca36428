"""Backups of PostgreSQL, encrypted, in a store elsewhere: base backups, its write-ahead log, dumps; and restoring."""

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need


class BackupError(RuntimeError):
    """A backup cannot be made, read or restored."""


class NotNow(BackupError):
    """A backup is left for later: another process makes it, or the program ends. What is half made does not count."""
