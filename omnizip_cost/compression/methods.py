"""Every method by name: built-in ones at once, those of other packages when asked for."""

from __future__ import annotations

from dataclasses import dataclass

from omnizip_cost.compression.counts import ANCHOR_SHARE, MERGE
from omnizip_cost.compression.method import Method
from omnizip_cost.compression.method_builtin import BUILTIN
from omnizip_cost.errors import PluginError, UnknownNameError, require_ratio

METHODS: dict[str, Method] = {method.name: method for method in BUILTIN}
"""The built-in methods; :func:`all_methods` adds those of other packages."""

_TAKEN = "the name is a built-in method's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One configuration: a method at a nominal ratio, at a pair, or at both."""

    method: str
    retained: float | None
    """Nominal; None when only the pair was given."""
    rho_a: float | None = None
    rho_v: float | None = None

    @property
    def label(self) -> str:
        """Method, nominal ratio and, where it is needed to tell rows apart, the pair."""
        method = require_method(self.method)
        if method.prunes == "nothing":
            return method.title
        parts = [method.title]
        if self.retained is not None:
            parts.append(f"{self.retained:.3g}" if self.retained < 0.01 else f"{self.retained:.0%}")
        if self.rho_a is not None and (method.pair_in_label or self.retained is None):
            parts.append(f"({self.rho_a:g}, {self.rho_v:g})")
        return " ".join(parts)


def _settings(method: Method, wanted: tuple[tuple[float | None, ...], ...]) -> tuple[Setting, ...]:
    return tuple(
        Setting(method=method.name, retained=retained, rho_a=rho_a, rho_v=rho_v)
        for retained, rho_a, rho_v in wanted
    )


PAPER_SETTINGS: tuple[Setting, ...] = tuple(
    setting for method in BUILTIN for setting in _settings(method, method.paper_settings)
)
"""OmniZip, Tabs. 1-2 and supplement Tab. 6."""


def require_method(name: str | Method | type[Method]) -> Method:
    """Return the method of that name, or a method object of the caller's own, checked.

    Raises
    ------
    UnknownNameError
        With near names, those of other packages among them.
    PluginError
        The package that offers the method cannot be used, or the object is no sound method.
    """
    if not isinstance(name, str):
        return _own(name)
    if name in METHODS:
        return METHODS[name]
    from omnizip_cost.compression.method_plugins import load_plugin, offered_names

    offered = offered_names()
    if name in offered:
        return load_plugin(name)
    raise UnknownNameError("method", str(name), dict.fromkeys((*METHODS, *offered)))


def _own(offer: Method | type[Method]) -> Method:
    """Check a method that comes as an object, not by name."""
    if any(offer is known for known in METHODS.values()):
        return offer  # type: ignore[return-value]
    from omnizip_cost.compression.method_plugins import checked_method, plugin_errors

    kind = offer if isinstance(offer, type) else type(offer)
    owner = f"module {kind.__module__}"
    with plugin_errors(kind.__name__, owner, "reading its name"):
        name = getattr(offer, "name", None)
    if name in METHODS:
        raise PluginError(str(name), owner, _TAKEN)
    return checked_method(offer, name=str(name), owner=owner)


def is_builtin(method: Method) -> bool:
    """Whether this very object is one of the package's own methods."""
    return METHODS.get(method.name) is method


def all_methods() -> tuple[tuple[Method, ...], tuple[PluginError, ...]]:
    """Return every method that can be used, and why each other one cannot.

    A package cannot take the name of a built-in method: that offer is among the refusals.
    """
    from omnizip_cost.compression.method_plugins import (
        load_plugin,
        offered_names,
        unreadable_offers,
    )

    methods, refusals = list(BUILTIN), list(unreadable_offers())
    for name in offered_names():
        try:
            if name in METHODS:
                raise PluginError(name, "another package", _TAKEN)
            methods.append(load_plugin(name))
        except PluginError as refusal:
            refusals.append(refusal)
    return tuple(methods), tuple(refusals)


def default_settings(name: str) -> tuple[Setting, ...]:
    """Return what runs when the user names a method and no ratio."""
    method = require_method(name)
    return _settings(method, method.settings)


def resolve_pruning(
    method: str | Method | type[Method],
    retained: float,
    *,
    video_tokens: int,
    audio_tokens: int,
    anchor_share: float = ANCHOR_SHARE,
    merge: int = MERGE,
) -> tuple[float, float]:
    """Turn one retained ratio into the pair (rho_a, rho_v), as the method itself does.

    Random, FastV and DyCoke prune both modalities alike. OmniZip stays on the line of its two
    published settings, rho_v - rho_a = 0.3.

    Parameters
    ----------
    method : str or Method
    retained : float
        Share of audio+video tokens to keep.
    video_tokens, audio_tokens : int
        The workload's own mix.

    Raises
    ------
    UnknownNameError, InvalidValueError, PluginError
    """
    found = require_method(method)
    require_ratio("pruning", "retained", retained)
    if found.prunes == "nothing" or retained == 1:
        return 0.0, 0.0
    from omnizip_cost.compression.method_answers import planned_pair

    rho_a, rho_v = planned_pair(
        found,
        retained,
        video_tokens=video_tokens,
        audio_tokens=audio_tokens,
        anchor_share=anchor_share,
        merge=merge,
    )
    return (
        require_ratio(f"method {found.name!r}", "rho_a", rho_a),
        require_ratio(f"method {found.name!r}", "rho_v", rho_v),
    )
