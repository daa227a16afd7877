"""Models propose: chat with models by name, recorded, bounded, and in a loop that validators decide."""
