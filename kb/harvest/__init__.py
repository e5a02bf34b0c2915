"""Fetching abstracts from their publisher; what arrives is stored with where and when."""
