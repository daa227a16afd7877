"""The seeded, streaming generator of staffing data; ``workbench.staffing`` re-exports what is public."""
