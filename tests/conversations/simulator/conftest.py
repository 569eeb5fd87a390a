from collections.abc import Iterator

import pytest

from conversations.simulator.fake import FakeMeta
from tests.conversations.simulator.receiver import Receiver, new_fake


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def fake(receiver: Receiver) -> Iterator[FakeMeta]:
    with new_fake(receiver.url) as fake:
        yield fake
