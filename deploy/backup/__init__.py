"""Backups of PostgreSQL, encrypted, in a store elsewhere: base backups, its write-ahead log, dumps; and restoring."""

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need


class BackupError(RuntimeError):
    """A backup cannot be made, read or restored."""


class AlreadyRunning(BackupError):
    """Another process makes a backup of this kind."""


class Stopped(BackupError):
    """The program was asked to end; what it made half does not count, and is made again."""


class DamagedBackup(BackupError):
    """A stored object is missing, cut off, changed or not encrypted."""


class KeyRefused(BackupError):
    """A key cannot be read, or opens nothing of this backup."""
