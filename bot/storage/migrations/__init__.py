"""Each change of the tables since the first release; run by Alembic, oldest first."""
