"""Distillation: run logs become training data, with receipts, and an audit of it (``spec/distillation.md``).

Every stage is a pure function over records with a thin reader and writer. No stage reads the clock, the network or a
model: ``recorded_at``, ids and the root are arguments, so the same input gives the same bytes.
"""
