"""Numbered changes of the schema, applied when a database is opened."""
