"""Pages of the reading room: parse, one call into the queries, render."""
