"""Loading: the relation of a file becomes rows of a dataset, typed, fitted and committed."""
