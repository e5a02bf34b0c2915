"""The REST API, version 1: the reading room for programs."""
