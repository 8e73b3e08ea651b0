# SPDX-License-Identifier: Apache-2.0
"""Bases of request and answer shapes."""

import types
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

T = TypeVar("T")


def _in_utc(value: datetime) -> datetime:
    if not 1800 <= value.year <= 9000:
        raise ValueError("the year must be between 1800 and 9000")
    return value.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time that a caller gives: with its zone, turned into UTC, in years every database knows."""


def _kinds(annotation: Any) -> set[type]:
    if get_origin(annotation) in (Union, types.UnionType):
        return set().union(*(_kinds(a) for a in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return {annotation} if isinstance(annotation, type) else set()


class Input(BaseModel):
    """A request body: closed, and true/false is no number."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_bool_as_number(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name, info in cls.model_fields.items():
            value = data.get(info.alias or name)
            kinds = _kinds(info.annotation)
            if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
                raise ValueError(f"{name}: true/false is not a number")
        return data


class Read(BaseModel):
    """An answer: frozen, all fields always there, made from rows with ``model_validate``."""

    model_config = ConfigDict(from_attributes=True, frozen=True, allow_inf_nan=False)


class Page(Read, Generic[T]):
    """One page of a list. ``next`` goes back as ``cursor`` to get the following page."""

    items: list[T]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")
    total: int | None = Field(description="Number of all matches, when it was asked for.")


class ProblemDocument(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[dict[str, Any]] | None = None

    model_config = ConfigDict(extra="allow")
