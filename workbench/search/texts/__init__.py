"""Texts: what the rows of a dataset say, kept with their vectors as a corpus."""
