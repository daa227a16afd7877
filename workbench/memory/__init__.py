"""Memory: what was learned, what happened, and the rules that the house lays down.

So far truth rules: what must hold of a task and its answer, in TOML, judged before any validator.
"""
