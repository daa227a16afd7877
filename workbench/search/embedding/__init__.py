"""Embedders: texts become unit vectors, here or by a server, each text once."""
