"""Search: texts become vectors, vectors become ranked hits with reasons."""
