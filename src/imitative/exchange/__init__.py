"""Judgements out to other tools and in from them: one file a format, all of them by name in `trips.FORMATS`.

    judgements → FORMATS["trl"].write(judgements, path) → what it could not hold, and what to know
    path       → FORMATS["trl"].read(path)              → judgements, and what to know

docs/exchange.md says what survives the trip.
"""
