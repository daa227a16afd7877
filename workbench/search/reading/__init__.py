"""Reading: what a query asks for, in spelling, operators and conditions, and which rows pass those."""
