"""Getting papers in: a file is read, compared, shown, and written once somebody confirms."""
