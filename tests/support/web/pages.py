"""The page's application over a store that a test has filled, without Kafka."""

from __future__ import annotations

from typing import Any, cast

from starlette.testclient import TestClient

from monitor.config import load_settings
from monitor.errors import BrokerError
from monitor.formats.profiles import Profile
from monitor.formats.reviews import Review
from monitor.web.app import Page
from monitor.web.held.store import Store
from monitor.web.writer import Writer

ORIGIN = {"origin": "http://localhost", "content-type": "application/json"}


class Scribe:
    """Stands for the writer: keeps what it is given, or fails as it is told to."""

    def __init__(self) -> None:
        self.reviews: list[Review] = []
        self.profiles: list[Profile] = []
        self.error: BrokerError | None = None

    def review(self, review: Review) -> None:
        """Keep a verdict."""
        self._check()
        self.reviews.append(review)

    def profile(self, profile: Profile) -> None:
        """Keep a profile."""
        self._check()
        self.profiles.append(profile)

    def close(self) -> None:
        """Nothing to leave."""

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


def page(store: Store | None = None, **web: Any) -> tuple[Page, Scribe]:
    """A page that reads no topics, and what it writes to."""
    made = Page(load_settings(None, {f"web.{key}": value for key, value in web.items()}))
    scribe = Scribe()
    made.writer = cast(Writer, scribe)
    if store is not None:
        made.store = made.hub.store = store
    return made, scribe


def client(made: Page) -> TestClient:
    """A browser on the same machine."""
    return TestClient(made.app(), base_url="http://localhost", raise_server_exceptions=False)
