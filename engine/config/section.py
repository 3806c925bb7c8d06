"""What the tables of a configuration have in common: how their values are checked."""

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

MOST = 1_000_000
"""Of steps, images and the like: more is a slip of the finger, and would never end or fit."""


class Section(BaseModel):
    """A table of the configuration: its values never change, and it knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python takes true for 1; a person who writes it where a number goes is mistaken."""
        assert info.field_name is not None
        items = value if isinstance(value, list | tuple) else (value,)
        if any(isinstance(item, bool) for item in items):
            kinds = _kinds(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and kinds & {int, float}:
                raise ValueError("should be a number, not true or false")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The plain types in an annotation, however deep."""
    inner = get_args(annotation)
    return set().union(*map(_kinds, inner)) if inner else {annotation} & {int, float, bool, str}


def _given(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; give a value, or leave the key out for its default")
    return text


Given = Annotated[str, AfterValidator(_given)]
"""Text that says something: a path that is empty would be the folder where glov happens to be."""
