"""The page where people judge. It sees the store, never the models."""
