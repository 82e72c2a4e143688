"""Which query next: what hangs on a doubt, which comparisons lower it most, and what a round asks."""
