"""Given one ELF file: which TLS code it holds and at which file offsets.

Invariant: TLS code is located by what it means (symbols and what calls what), never by what it looks like; and a plan
comes out only if a function that reads and one that writes were found.
"""

from wirespan.locate.blind_spots import explain_file
from wirespan.locate.byte_source import ElfError
from wirespan.locate.cache import PlanCache
from wirespan.locate.locator import locate_file
from wirespan.locate.plan import CallAbi, FileIdentity, NotCovered, ProbePlan, ProbeSite
from wirespan.locate.well_known import well_known_files

__all__ = [
    "CallAbi",
    "ElfError",
    "FileIdentity",
    "NotCovered",
    "PlanCache",
    "ProbePlan",
    "ProbeSite",
    "explain_file",
    "locate_file",
    "well_known_files",
]
