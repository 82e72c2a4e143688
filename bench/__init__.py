"""What is measured, against whom: `python -m bench core --data DIR` prints a row per figure."""
