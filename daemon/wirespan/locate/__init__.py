"""Given one ELF file: which TLS code it holds and at which file offsets.

Invariant: TLS code is located by what it means (symbols, what it calls, what errors it reports, what points to it),
never by what it looks like; and a plan comes out only if what reads and what writes was found, each without doubt.
"""

from wirespan.locate.blind_spots import explain_file
from wirespan.locate.byte_source import ElfError
from wirespan.locate.cache import PlanCache
from wirespan.locate.installed_agents import agent_programs
from wirespan.locate.locator import locate_file
from wirespan.locate.plan import CallAbi, FileIdentity, NotCovered, ProbePlan, ProbeSite, TlsCode
from wirespan.locate.well_known import well_known_files

__all__ = [
    "CallAbi",
    "ElfError",
    "FileIdentity",
    "NotCovered",
    "PlanCache",
    "ProbePlan",
    "ProbeSite",
    "TlsCode",
    "agent_programs",
    "explain_file",
    "locate_file",
    "well_known_files",
]
