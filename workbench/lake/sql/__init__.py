"""SQL: the engine, what it may run and show, and relations in and out of it."""
