"""Backups of PostgreSQL, encrypted, in a store elsewhere: base backups, its write-ahead log, dumps; and restoring."""

import configs  # noqa: F401 -- before structlog, which it loads without what it does not need
