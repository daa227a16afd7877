"""Ranking: the arms of a corpus asked together, hits with their scores, and how good the order is."""
