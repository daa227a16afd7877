"""Named indexes: vectors that a caller brings, durable in the lake."""
