"""The rows of one audit by what they share, such as the full run that others are divided by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from omnizip_cost.audit.work import Case

_Setting = tuple[str, str, str | None, str]


class Rows:
    """All cases of an audit, found by their setting without a walk over all of them."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """Index the cases."""
        self._alike: dict[_Setting, list[Case]] = defaultdict(list)
        self._beside: dict[tuple[str, str | None, str], list[Case]] = defaultdict(list)
        self._timed: dict[tuple[object, ...], list[Case]] = defaultdict(list)
        self._full: dict[tuple[_Setting, tuple[str, ...]], Case | None] = {}
        for case in cases:
            claim = case.claim
            self._alike[claim.setting].append(case)
            self._beside[claim.source, claim.device, claim.benchmark].append(case)
            if claim.full and claim.prefill_ms is not None and case.length is not None:
                self._timed[*claim.setting[:3], claim.timed].append(case)

    def alike(self, case: Case) -> Sequence[Case]:
        """Cases of the same source, model, device and benchmark."""
        return self._alike[case.claim.setting]

    def beside(self, case: Case) -> Sequence[Case]:
        """Cases of the same source, device and benchmark, whatever their model."""
        claim = case.claim
        return self._beside[claim.source, claim.device, claim.benchmark]

    def full_run(self, case: Case, *columns: str) -> Case | None:
        """Return the one full run of the same setting that has all of these columns, or None."""
        key = (case.claim.setting, columns)
        if key not in self._full:
            found = [
                other
                for other in self.alike(case)
                if other.claim.full
                and all(getattr(other.claim, column) is not None for column in columns)
            ]
            self._full[key] = found[0] if len(found) == 1 else None
        return self._full[key]

    def timed_full_run(self, case: Case) -> Case | None:
        """First full run of this source, model and device whose prefill and length are known."""
        return next(iter(self._timed[*case.claim.setting[:3], case.claim.timed]), None)
