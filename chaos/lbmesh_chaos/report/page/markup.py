"""HTML and SVG put together so that nothing of the data can be taken for markup. Pure."""

from html import escape


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, *inside: "str | Markup", **attributes: "str | float | None") -> Markup:
    """An element. `class_` stands for class, `x_y` for x-y; an attribute that is None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = join(*inside)
    return Markup(f"<{name}{written}>{content}</{name}>")


def join(*parts: "str | Markup") -> Markup:
    """Parts one behind the other; text is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _written(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
