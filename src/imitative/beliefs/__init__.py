"""Hypotheses that are distributions over parameters: whose prior, which posterior, in which words, and what follows."""
