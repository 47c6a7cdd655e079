from __future__ import annotations

from rig import inferences
from rig.spans import span
from wirespan.spans import names
from wirespan_exporters import carrier


def test_both_sides_mean_the_same_attributes() -> None:
    assert (carrier.API, carrier.REQUEST_BODY, carrier.RESPONSE_BODY) == (
        names.API,
        names.REQUEST_BODY,
        names.RESPONSE_BODY,
    )
    assert inferences.openai_chat().api == "openai.chat"


def test_what_is_carried_is_dropped_and_nothing_else() -> None:
    made = span(attributes={"a": 1, carrier.REQUEST_BODY: "{}", carrier.API: "openai.chat"})
    assert dict(carrier.without_carried(made).attributes or {}) == {"a": 1, carrier.API: "openai.chat"}
    plain = span(attributes={"a": 1})
    assert carrier.without_carried(plain) is plain
