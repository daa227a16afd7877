"""Trades: the shipped dictionary of occupations, role texts brought to one, and how near two role texts are."""
