"""Loaded by pytest before anything else: the database runs before Django looks for it."""

from kb import database

database.ensure()
