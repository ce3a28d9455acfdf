"""Which embedder's vectors a gallery holds."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from reid import ModelInfo, ReidError

from . import schema
from .database import Database
from .errors import GalleryDamaged, GalleryModelMismatch

_ACTIVE = select(schema.Model.active).where(schema.Model.id == bindparam("model"))


def settle_model(
    database: Database, model: ModelInfo | None
) -> tuple[ModelInfo | None, int | None]:
    """The model of the gallery and its row; registers `model` in a gallery that has none.

    The calibration is no part of the fingerprint: that of `model` is used and kept.
    """
    with database.read() as connection:
        stored, row_id = _stored_model(connection)
    if model is None:
        return stored, row_id
    _refuse_other(database.name, stored, model)
    known = stored is not None and stored.to_json() == model.to_json()
    if known or database.read_only:
        return model, row_id
    with database.write() as connection:
        stored, row_id = _stored_model(connection)
        _refuse_other(database.name, stored, model)
        if row_id is not None:
            connection.execute(
                update(schema.Model).where(schema.Model.id == row_id).values(info=model.to_json())
            )
            return model, row_id
        made = insert(schema.Model).returning(schema.Model.id)
        row = {"fingerprint": model.fingerprint, "info": model.to_json(), "active": True}
        return model, connection.scalar(made, row)


def _stored_model(connection: Connection) -> tuple[ModelInfo | None, int | None]:
    table = schema.Model
    row = connection.execute(select(table.id, table.info).where(table.active)).one_or_none()
    if row is None:
        return None, None
    try:
        return ModelInfo.from_json(row.info), row.id
    except ReidError as error:
        raise GalleryDamaged(f"the gallery's model is {error}: restore it from a copy") from error


def _refuse_other(place: str, stored: ModelInfo | None, model: ModelInfo) -> None:
    if stored is not None and stored.fingerprint != model.fingerprint:
        raise GalleryModelMismatch(
            f"{place} holds vectors of {stored.name} ({stored.fingerprint}), the embedder is "
            f"{model.name} ({model.fingerprint}): use that embedder or another gallery"
        )


def require_active(connection: Connection, place: str, model_id: int | None) -> None:
    """Raises GalleryModelMismatch where the gallery was moved to another model since opening."""
    if model_id is not None and not connection.scalar(_ACTIVE, {"model": model_id}):
        raise GalleryModelMismatch(
            f"{place} was moved to another model meanwhile: open it again with that embedder"
        )
