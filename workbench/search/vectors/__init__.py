"""Vectors: their distances, the files that hold them, and indexes that find the nearest of them."""
