"""Fixtures of the live rig: the mock as a process, a campaign of client programs a test module, one MLflow a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.campaign import Campaign
from rig.mlflow_server import mlflow_server
from rig.mock_process import MockProcess, run_mock
from rig.programs import Program
from rig.tls_talk import SYSTEM_PYTHON, TlsIdentity, make_identity, openssl_of

mlflow = pytest.fixture(scope="session")(mlflow_server)


@pytest.fixture(scope="session")
def mock_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProcess]:
    """One mock for the whole run: each program finds its own traffic by its run id."""
    with run_mock(tmp_path_factory.mktemp("mock")) as mock:
        yield mock


@pytest.fixture(scope="module")
def campaign(
    request: pytest.FixtureRequest, mock_llm: MockProcess, tmp_path_factory: pytest.TempPathFactory
) -> Campaign:
    """All programs that this module's selected tests are parametrised with (`program`), run under one recorder."""
    made = Campaign(mock_llm, tmp_path_factory.mktemp("campaign"))
    made.run(_programs_of(request))
    return made


def _programs_of(request: pytest.FixtureRequest) -> list[Program]:
    module = Path(str(request.path))
    calls = [item.callspec for item in request.session.items if item.path == module and hasattr(item, "callspec")]
    return [call.params["program"] for call in calls if "program" in call.params]


@pytest.fixture(scope="session")
def tls_identity() -> Iterator[TlsIdentity]:
    """For `TlsTalk`; not below tmp_path, which is closed to other users."""
    with tempfile.TemporaryDirectory(prefix="wirespan-tls-") as directory:
        yield make_identity(Path(directory))


@pytest.fixture(scope="session")
def private_libssl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the libssl of SYSTEM_PYTHON. With LD_LIBRARY_PATH set to its directory a `TlsTalk` maps it, and nobody
    else does: what its probes see is all of that process."""
    return Path(shutil.copy(openssl_of(SYSTEM_PYTHON), tmp_path_factory.mktemp("libssl") / "libssl.so.3"))
