"""``lh``: the workbench in a terminal. One file per noun; commands call a verb and hand its answer to `show`."""
