"""What the database said when something failed, whichever driver brought it."""

from __future__ import annotations

from typing import Any, cast

TOLD = ("message", "detail", "hint")


def explain(error: BaseException) -> dict[str, Any]:
    """What the database said, from whichever driver, found along the chain of causes."""
    told: dict[str, Any] = {
        "message": f"{type(error).__name__}: {error}", "sqlstate": None, "detail": None, "hint": None
    }  # fmt: skip
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and not any(link is other for other in seen):
        seen.append(link)
        told.update({name: value for name, value in _of_driver(link).items() if value})
        original = getattr(link, "orig", None)
        link = original if isinstance(original, BaseException) else link.__cause__ or link.__context__
    return told


def _of_driver(error: Any) -> dict[str, Any]:
    diagnosis: Any = getattr(error, "diag", None)
    if diagnosis is not None and diagnosis.sqlstate:  # psycopg and psycopg2
        names = {name: "message_primary" if name == "message" else "message_" + name for name in TOLD}
        return {"sqlstate": diagnosis.sqlstate, **{name: getattr(diagnosis, names[name], None) for name in TOLD}}
    fields: Any = error.args[0] if error.args else None
    if type(fields) is dict and "C" in fields:  # pg8000: the protocol's codes of fields
        codes: dict[str, Any] = cast("dict[str, Any]", fields)
        return {"sqlstate": codes["C"], **{name: codes.get(name[0].upper()) for name in TOLD}}
    if getattr(error, "sqlstate", None):  # asyncpg, and SQLAlchemy's translation of it, which has lost the rest
        return {"sqlstate": error.sqlstate, **{name: getattr(error, name, None) for name in TOLD}}
    return {}
