"""The ground that all programs stand on: clock, logs, database, Redis, signing, stores, workers."""
