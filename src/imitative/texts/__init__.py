"""Hypotheses in free text: who proposes them, what judges them, how they are found and used."""
