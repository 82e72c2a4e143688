"""Representations of z: each is something a person can read that says how to answer."""
