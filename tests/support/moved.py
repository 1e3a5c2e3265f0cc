"""A bar that remembers how far it was moved."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Moved:
    """Takes the place of what moves a bar on."""

    amounts: list[float] = field(default_factory=list)
    texts: list[str | None] = field(default_factory=list)

    def __call__(self, amount: float = 1, text: str | None = None) -> None:
        """Take a step in."""
        self.amounts.append(amount)
        self.texts.append(text)
