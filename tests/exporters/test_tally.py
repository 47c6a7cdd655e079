from __future__ import annotations

import threading

from wirespan_exporters.tally import Tally


def test_counts_by_reason_from_any_thread() -> None:
    tally = Tally("sanitised")
    threads = [threading.Thread(target=lambda: [tally.add("nul") for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.add("clipped", 3)
    assert tally.snapshot() == {"sanitised.clipped": 3, "sanitised.nul": 4000}
