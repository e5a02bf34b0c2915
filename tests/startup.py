"""Loaded by pytest before anything else: the database runs before Django looks for it."""

import os

from kb import database

os.environ["KB_EMBEDDER"] = "tests.fakes.HashEmbedder"
os.environ["KB_EMBEDDING_MODEL"] = "hash"
os.environ["LOG_LEVEL"] = "CRITICAL"
database.ensure()
