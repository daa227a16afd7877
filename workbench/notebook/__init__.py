"""Notebooks run from top to bottom without a browser: parameters in, a notebook with outputs and a masked page out.

`runner.run` runs one; `seat` is the kernel's side, `record` what the output notebook remembers, `page` the HTML.
Jupyter's libraries are the extra ``notebook``; the modules here import them, and are imported when they are used.
"""
