"""The lexical index: texts found and ranked by their words."""
