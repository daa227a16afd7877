"""Files become versioned datasets, datasets become answers.

``storage`` (where bytes live) · ``manifest`` (what the catalog says of a dataset) · ``catalog`` (Delta tables) ·
``ingest`` (files in) · ``engine`` (SQL out) · ``snapshots`` (time travel) · ``lake`` (the noun that owns them).
"""
