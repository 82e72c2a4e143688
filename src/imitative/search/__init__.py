"""Finding z*: the role of a search, and those who fill it."""
