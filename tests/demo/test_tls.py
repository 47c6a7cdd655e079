"""The demo's certificates."""

from __future__ import annotations

import ssl
import sys

import httpx
import pytest

from rig.threaded_mock import ThreadedMock as Mock
from wirespan.demo.tls import make_authority
from wirespan.errors import WirespanError


def test_the_certificate_is_believed_only_with_its_own_authority(mock: Mock) -> None:
    with pytest.raises(httpx.ConnectError, match=r"self-signed|self signed|local issuer"):
        httpx.get(mock.tls + "/v1/models", verify=ssl.create_default_context())


def test_without_trustme_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(WirespanError, match="trustme") as raised:
        make_authority()
    assert raised.value.remedy == "pip install 'wirespan[demo]'"
