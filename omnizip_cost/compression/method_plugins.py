"""Methods of other packages, found by entry point when a name asks for them.

A package offers a method under the entry-point group ``omnizip_cost.methods``: the name is the
method's, the value a subclass or an instance of
:class:`~omnizip_cost.compression.method.Method`. Nothing is looked up before an unknown name or
the list of all methods is asked for, and a plug-in is imported only when it is used or listed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from omnizip_cost.compression.method import Method
from omnizip_cost.compression.method_builtin import BuiltinMethod
from omnizip_cost.errors import OmnizipCostError, PluginError

GROUP = "omnizip_cost.methods"
"""Entry-point group of methods."""

RESERVED = ("all",)
"""Names that mean something else on the command line."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_TEXTS = ("title", "answers", "source")
_LISTS = ("assumptions", "own_settings")
_SWITCHES = ("needs_windows", "ranks_together", "pair_in_label")


def offered_names() -> tuple[str, ...]:
    """Return the names that installed packages offer, built-in ones among them, without import."""
    return tuple(sorted(_offers(tuple(sys.path))))


def load_plugin(name: str) -> Method:
    """Import the method that a package offers under ``name``, and check it.

    Raises
    ------
    PluginError
        Two packages offer the name, the import fails, or what it holds is no sound method.
    """
    return _load(tuple(sys.path), name)


def checked_method(offer: Any, *, name: str, owner: str) -> Method:
    """Return the method that a plug-in offers, or say what it lacks.

    Parameters
    ----------
    offer : Method or subclass of Method
    name : str
        What it must be called.
    owner : str
        Who offers it, for the sentence.

    Raises
    ------
    PluginError
        Something is missing or of the wrong kind, or reading it fails.
    """
    with plugin_errors(name, owner, "reading it"):
        return _checked(offer, name, owner)


def _checked(offer: Any, name: str, owner: str) -> Method:
    """Return the method, every field of it read once."""

    def refused(problem: str) -> PluginError:
        return PluginError(name, owner, problem)

    if isinstance(offer, type) and issubclass(offer, Method):
        for needed in sorted(offer.__abstractmethods__):
            raise refused(f"it must define {needed}()")
        with plugin_errors(name, owner, "making one"):
            offer = offer()
    if not isinstance(offer, Method):
        raise refused(f"it must be a subclass or an instance of Method, got {offer!r}")
    if offer.name != name:
        raise refused(f"its name must be {name!r}, as in its entry point, got {offer.name!r}")
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise refused("its name must be small letters, digits, '-', '_' or '.', and not 'all'")
    if problem := _field_problem(offer):
        raise refused(problem)
    if type(offer).select is BuiltinMethod.select:
        raise refused("it must define select(), which no built-in method hands down")
    with plugin_errors(name, owner, "facts()"):
        told = offer.facts()
        if not isinstance(told, dict) or not _are_texts((*told, *told.values())):
            raise refused(f"facts() must return a dict of texts, got {told!r}")
        if missing := [fact for fact in Method.facts(offer) if fact not in told]:
            raise refused(f"facts() must hold {', '.join(missing)}")
    return offer


def _field_problem(method: Method) -> str:
    """What is wrong with the fields that an author sets; nothing when each is of its kind."""
    for names, fits, kind in (
        (_TEXTS, lambda value: isinstance(value, str) and value.strip(), "a text"),
        (_LISTS, _are_texts, "a tuple of texts"),
        (_SWITCHES, lambda value: isinstance(value, bool), "True or False"),
    ):
        for name in names:
            if not fits(value := getattr(method, name)):
                return f"its {name} must be {kind}, got {value!r}"
    if method.prunes != "before layer 1":
        return f"it must prune 'before layer 1', got {method.prunes!r}"
    if not isinstance(method.scores, tuple) or not {"audio", "video"}.issuperset(method.scores):
        return f"its scores must be a tuple of 'audio' and 'video', got {method.scores!r}"
    if not _are_ratios(method.settings):
        return (
            "its settings must be (retained, rho_a, rho_v) tuples of ratios or None, "
            f"got {method.settings!r}"
        )
    return ""


@contextmanager
def plugin_errors(
    name: str, owner: str, doing: str, *, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn whatever a plug-in's code raises into one sentence that names the plug-in.

    Errors of this package, and those to be ``passing``, stay as they are.
    """
    try:
        yield
    except OmnizipCostError:
        raise
    except passing:
        raise
    except (Exception, SystemExit) as error:
        said = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
        raise PluginError(name, owner, f"{doing} fails with {what}") from error


def owner_of(method: Method) -> str:
    """Say where a method's code lives, for a sentence."""
    return f"module {type(method).__module__}"


def _are_texts(values: Any) -> bool:
    return isinstance(values, tuple) and all(isinstance(value, str) for value in values)


def _are_ratios(settings: Any) -> bool:
    """Whether default settings can be run: a ratio, a pair, or both in each."""
    if not isinstance(settings, tuple) or not settings:
        return False
    for item in settings:
        if not isinstance(item, tuple) or len(item) != 3:
            return False
        retained, rho_a, rho_v = item
        if (rho_a is None) != (rho_v is None) or (retained is None and rho_a is None):
            return False
        if any(
            value is not None and not (isinstance(value, float | int) and 0 <= value <= 1)
            for value in item
        ):
            return False
    return True


@lru_cache(maxsize=8)
def _offers(path: tuple[str, ...]) -> dict[str, list[EntryPoint]]:
    """Entry points by name; read anew when ``sys.path`` changes."""
    found: dict[str, list[EntryPoint]] = {}
    for package in _packages(path):
        with suppress(Exception):  # what cannot be read is for `unreadable_offers` to name
            for point in package.entry_points.select(group=GROUP):
                found.setdefault(point.name, []).append(point)
    return found


def unreadable_offers() -> tuple[PluginError, ...]:
    """Say which packages name the group in metadata that cannot be read."""
    refusals = []
    for package in _packages(tuple(sys.path)):
        try:
            package.entry_points  # noqa: B018
        except Exception as error:
            if GROUP in (package.read_text("entry_points.txt") or ""):
                what = f"its entry points cannot be read ({type(error).__name__})"
                refusals.append(PluginError("?", package.name, what))
    return tuple(refusals)


@lru_cache(maxsize=8)
def _packages(path: tuple[str, ...]) -> tuple[Distribution, ...]:
    """Installed packages, the first of a name as Python would import it."""
    found: dict[str, Distribution] = {}
    for package in distributions(path=list(path)):
        name = package.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), package)
    return tuple(found.values())


@lru_cache
def _load(path: tuple[str, ...], name: str) -> Method:
    """The one method offered under a name; imported once while ``sys.path`` stays."""
    found = _offers(path)[name]
    if len(found) > 1:
        owners = " and ".join(sorted(_owner(point) for point in found))
        raise PluginError(name, owners, "the name is offered more than once", "uninstall one")
    point, owner = found[0], _owner(found[0])
    with plugin_errors(point.name, owner, f"importing {point.value!r}"):
        offer = point.load()
    return checked_method(offer, name=point.name, owner=owner)


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
