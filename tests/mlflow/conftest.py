from __future__ import annotations

import pytest

from rig.mlflow_server import mlflow_server

mlflow = pytest.fixture(scope="session")(mlflow_server)
