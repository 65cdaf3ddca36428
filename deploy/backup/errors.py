"""Errors of the backups; each text is one line that says what is wrong and what to do."""


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
