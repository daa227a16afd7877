"""Files become versioned datasets, datasets become answers.

``tables`` (where bytes live, and what a dataset is) < ``sql`` (answers out) < ``files`` (what a customer sends) <
``loading`` (files in) < ``snapshots`` (time travel) · ``lake`` (the noun that owns them).
Each sees only what stands left of it.
"""
