"""What people said, found by stream, by event and by id without a search."""

from __future__ import annotations

from collections import OrderedDict

from monitor.formats.reviews import Review, standing
from monitor.web.held.limits import INDEX_BYTES, REVIEW_BYTES, REVIEWS_OF_EVENT, REVIEWS_OF_STREAM, weigh

# Plain dictionaries find their oldest entry the slower the more of them have been deleted.
_Ordered = OrderedDict[str, Review]


class ReviewsHeld:
    """Verdicts in the topic's order, each once; the oldest give way.

    An undo comes after what it takes back, so that it never goes first.
    """

    def __init__(
        self,
        max_bytes: int = REVIEW_BYTES,
        max_of_stream: int = REVIEWS_OF_STREAM,
        max_of_event: int = REVIEWS_OF_EVENT,
    ) -> None:
        self._max_bytes, self._max_of_stream, self._max_of_event = max_bytes, max_of_stream, max_of_event
        self._by_id: _Ordered = OrderedDict()
        self._of: dict[str, _Ordered] = {}
        self._on: dict[tuple[str, str], _Ordered] = {}  # by stream and event
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, review: Review) -> bool:
        """Keep a verdict; False if it is there already."""
        if review.id in self._by_id:
            return False
        self._by_id[review.id] = review
        self.bytes += _bytes(review)
        own = self._of.setdefault(review.stream, OrderedDict())
        own[review.id] = review
        if review.event_id is not None:
            on = self._on.setdefault((review.stream, review.event_id), OrderedDict())
            on[review.id] = review
            if len(on) > self._max_of_event:
                self._drop(next(iter(on.values())))
        if len(own) > self._max_of_stream:
            self._drop(next(iter(own.values())))
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._by_id.values())))
        return True

    def get(self, review_id: str) -> Review | None:
        """The verdict of this id, if it is held."""
        return self._by_id.get(review_id)

    def of(self, stream: str) -> list[Review]:
        """A stream's verdicts in the topic's order, undone ones and undos among them."""
        return list(self._of.get(stream, {}).values())

    def on(self, stream: str, event_id: str) -> Review | None:
        """The last verdict on an event that stands."""
        left = standing(self._on.get((stream, event_id), {}).values())
        return left[-1] if left else None

    def _drop(self, oldest: Review) -> None:
        del self._by_id[oldest.id]
        self.bytes -= _bytes(oldest)
        own = self._of[oldest.stream]
        del own[oldest.id]
        if not own:
            del self._of[oldest.stream]
        if oldest.event_id is not None:
            at = (oldest.stream, oldest.event_id)
            del self._on[at][oldest.id]
            if not self._on[at]:
                del self._on[at]


def _bytes(review: Review) -> int:
    return weigh(review) + INDEX_BYTES
