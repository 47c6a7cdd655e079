"""The mock in this process: the SDKs talk to it over real sockets, and its truth log is read directly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rig.threaded_mock import ThreadedMock, run_threaded_mock


@pytest.fixture(scope="session")
def _running_mock() -> Iterator[ThreadedMock]:
    with run_threaded_mock() as mock:
        yield mock


@pytest.fixture
def mock(_running_mock: ThreadedMock) -> ThreadedMock:
    _running_mock.log.entries.clear()
    return _running_mock
