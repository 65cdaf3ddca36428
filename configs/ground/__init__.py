"""Foundation of all programs: clock, logs, database, Redis, signing, stores."""
