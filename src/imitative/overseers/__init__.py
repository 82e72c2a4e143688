"""Who judges: the role, and those who fill it."""
