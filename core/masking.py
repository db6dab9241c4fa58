"""Masks secrets in whole models: events on their way into the journal, readings on their way to a screen."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pydantic import BaseModel

from core.redaction import redactor

PLAIN_FIELDS = frozenset(
    ["kind", "step", "target", "cluster", "database", "phrase", "question", "choice", "plan", "xid", "sha256"]
)
"""Fields whose texts are never masked, whatever a secret happens to be equal to: names that the program gave or the
database shows anyway."""

M = TypeVar("M", bound=BaseModel)


def masked(model: M) -> M:
    """The model with every text in it redacted; the very same object when there was nothing to mask."""
    changed = {
        name: new
        for name in type(model).model_fields
        if not (isinstance(value := getattr(model, name), str) and name in PLAIN_FIELDS)
        and (new := _masked_value(value)) is not value
    }
    return model.model_copy(update=changed) if changed else model


def _masked_value(value: object) -> object:
    """The value with every text in it redacted and fit for UTF-8; the very same object when nothing changed."""
    match value:
        case str():
            text = redactor.redact(value)
            if not text.isascii():
                # Lone surrogates: bytes of a file name or a log that were not UTF-8.
                text = text.encode("utf-8", "backslashreplace").decode()
            return value if text == value else text
        case BaseModel():
            return masked(value)
        case dict():
            items = cast("dict[Any, Any]", value)
            new_items = {_masked_value(key): _masked_value(item) for key, item in items.items()}
            return items if new_items == items else new_items
        case list() | tuple():
            old = cast("list[Any] | tuple[Any, ...]", value)
            new = [_masked_value(item) for item in old]
            if all(n is o for n, o in zip(new, old, strict=True)):
                return old
            return new if isinstance(old, list) else tuple(new)
        case _:
            return value
