"""The search test collection, the systems that are compared on it, and their scores."""
