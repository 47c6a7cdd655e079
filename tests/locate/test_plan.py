from __future__ import annotations

import pytest

from wirespan.locate.plan import (
    BOOKKEEPING_FUNCTIONS,
    READ_FUNCTIONS,
    WRITE_FUNCTIONS,
    CallAbi,
    ProbeSite,
)


@pytest.mark.parametrize(
    ("function", "abi"),
    [
        ("SSL_read", CallAbi.RETURNS_COUNT),
        ("SSL_write", CallAbi.RETURNS_COUNT),
        ("SSL_read_ex", CallAbi.COUNT_IN_ARG4),
        ("SSL_write_ex", CallAbi.COUNT_IN_ARG4),
        ("ssl_read_internal", CallAbi.COUNT_IN_ARG4),
        ("ssl_write_internal", CallAbi.COUNT_IN_ARG4),
        ("ssl_write_internal_ex2", CallAbi.COUNT_IN_ARG5),
        ("rustls_encrypt", CallAbi.RUST_MESSAGE),
        ("rustls_decrypt", CallAbi.RUST_MESSAGE),
        ("SSL_free", CallAbi.MOVES_NOTHING),
        ("SSL_ctrl", CallAbi.MOVES_NOTHING),
        ("SSL_set_tlsext_host_name", CallAbi.MOVES_NOTHING),
    ],
)
def test_how_a_function_tells_its_count(function: str, abi: CallAbi) -> None:
    assert ProbeSite(function, 0).abi is abi


def test_every_function_that_moves_data_tells_its_count() -> None:
    for function in READ_FUNCTIONS | WRITE_FUNCTIONS:
        assert ProbeSite(function, 0).abi is not CallAbi.MOVES_NOTHING


def test_each_function_has_one_role() -> None:
    assert not READ_FUNCTIONS & WRITE_FUNCTIONS
    assert not (READ_FUNCTIONS | WRITE_FUNCTIONS) & BOOKKEEPING_FUNCTIONS
