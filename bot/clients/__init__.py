"""Other people's systems: their errors and types are translated here and go no further."""
