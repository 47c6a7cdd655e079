"""A loaded kernel side and what its ring holds, without a session: for tests that probe one file of their own."""

from __future__ import annotations

from pathlib import Path

from wirespan.capture.decode import KernelEvent, RecordDecoder
from wirespan.capture.events import Direction, TlsData
from wirespan.capture.kernel import KernelSide, load_kernel_side
from wirespan.capture.ring import Ring
from wirespan.locate import ProbePlan, locate_file
from wirespan.resources import resource

RING_BYTES = 64 << 10


class KernelRecords:
    """`mode` as in `LoadRequest`."""

    def __init__(self, mode: str = "auto") -> None:
        self.side: KernelSide = load_kernel_side(resource("bpf"), RING_BYTES, mode)
        self._ring = Ring(self.side.maps["records"], RING_BYTES)
        self._decoder = RecordDecoder(self.side.layouts)

    def events(self) -> list[KernelEvent | None]:
        """What came since the last time."""
        return [self._decoder.decode(record) for record in self._ring.records()]

    def data(self) -> list[tuple[Direction, bytes]]:
        return [(event.direction, event.data) for event in self.events() if isinstance(event, TlsData)]

    def close(self) -> None:
        self._ring.close()
        self.side.close()


def plan_of(path: Path) -> ProbePlan:
    """That of a file with one TLS stack."""
    code = locate_file(path, str(path))
    assert code is not None
    (plan,) = code.plans
    return plan
