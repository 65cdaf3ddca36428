"""Spider processes: registry, leases, replacement, start back-off, scrapyd client."""
