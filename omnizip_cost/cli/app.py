"""The Typer application: commands in order, and errors as one sentence with exit 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import typer

from omnizip_cost.cli.allocate import allocate_command
from omnizip_cost.cli.audit import audit_command
from omnizip_cost.cli.calibrate import calibrate_command
from omnizip_cost.cli.compare import compare_command
from omnizip_cost.cli.conventions import conventions_command
from omnizip_cost.cli.demo import demo_command
from omnizip_cost.cli.derive import derive_command
from omnizip_cost.cli.devices import devices_command
from omnizip_cost.cli.figures import figures_command
from omnizip_cost.cli.flops import flops_command
from omnizip_cost.cli.known import methods_command, models_command
from omnizip_cost.cli.predict import predict_command
from omnizip_cost.cli.profile import profile_command
from omnizip_cost.cli.report import report_command
from omnizip_cost.cli.sweep import sweep_command
from omnizip_cost.cli.tokens import tokens_command
from omnizip_cost.errors import OmnizipCostError

app = typer.Typer(
    name="omnizip-cost",
    help="What token compression saves in omnimodal LLMs: on paper, counted exactly, measured.",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo_command,
    "models": models_command,
    "devices": devices_command,
    "methods": methods_command,
    "conventions": conventions_command,
    "tokens": tokens_command,
    "flops": flops_command,
    "derive": derive_command,
    "allocate": allocate_command,
    "sweep": sweep_command,
    "predict": predict_command,
    "profile": profile_command,
    "calibrate": calibrate_command,
    "compare": compare_command,
    "audit": audit_command,
    "figures": figures_command,
    "report": report_command,
}

for name, command in COMMANDS.items():
    app.command(name, no_args_is_help=False)(command)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        from omnizip_cost import __version__

        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit 0 when done, 2 with one sentence on stderr when the input is wrong."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    command: Any = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name="omnizip-cost", standalone_mode=False)
    except OmnizipCostError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        print("omnizip-cost: stopped; what was measured so far is kept", file=sys.stderr)
        return 130
    except Exception as error:
        usage = getattr(error, "format_message", None)
        if usage is None:
            raise
        return _refuse(_sentence(usage()))
    return status if isinstance(status, int) else 0


def _refuse(sentence: str) -> int:
    print(f"omnizip-cost: {sentence}", file=sys.stderr)
    return 2


def _sentence(message: str) -> str:
    return " ".join(message.split()) or "the command's arguments cannot be read; see --help"
