"""Completion: what can stand at the cursor of a statement that is being written."""
