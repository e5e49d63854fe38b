"""Published claims held against physics: rates, bounds, and the convention behind printed FLOPs."""

from omnizip_cost.audit.audit import audit
from omnizip_cost.audit.claim import Claim
from omnizip_cost.audit.claims_file import ALIASES, COLUMNS, EXAMPLE, bundled_claims, read_claims
from omnizip_cost.audit.finding import ATTAINABLE_SHARE, VERDICTS, Finding, Verdict
from omnizip_cost.audit.printed import Printed
from omnizip_cost.audit.standouts import StandOut, stand_outs, verdict_counts

__all__ = [
    "ALIASES",
    "ATTAINABLE_SHARE",
    "COLUMNS",
    "EXAMPLE",
    "VERDICTS",
    "Claim",
    "Finding",
    "Printed",
    "StandOut",
    "Verdict",
    "audit",
    "bundled_claims",
    "read_claims",
    "stand_outs",
    "verdict_counts",
]
