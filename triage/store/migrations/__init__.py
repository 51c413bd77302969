"""Alembic's own folder: how the shape of the database came to be."""
