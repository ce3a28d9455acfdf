"""Alembic revisions of the gallery, applied by `storage.database` when a gallery is opened."""
