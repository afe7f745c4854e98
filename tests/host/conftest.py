"""Alice's home."""

from contextlib import closing

import pytest
from people_support import NOW, source

from hedgerow.node import Node


@pytest.fixture
def node(tmp_path):
    with closing(Node.create(tmp_path / "home", "Alice", source(), NOW)) as found:
        yield found
