"""Advice: where a statement went wrong, what was meant, and the line that mends it."""
