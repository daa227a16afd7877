"""Files: a customer's text file or spreadsheet, surveyed and read as a relation of the engine."""
