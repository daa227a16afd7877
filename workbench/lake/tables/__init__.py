"""Tables: where bytes live, what a dataset is, and the Delta log and catalog that say so."""
