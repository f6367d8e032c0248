"""The command `kinsim`: finds the command, runs it, turns errors into messages and exit codes.

Nothing heavy is imported here: a command's module is imported when it is called,
and what it needs is imported when it runs.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import Any

import click

import kinsim

COMMANDS = {
    "init": "Write a commented scenario, on demand with a sweep, and the schemas for editors.",
    "validate": "Check files: errors, and warnings from closed-form arithmetic.",
    "explain": "Show each value, where it came from and what it means.",
    "run": "Simulate a scenario and say whether it meets its SLOs.",
    "sweep": "Simulate many variants of a scenario.",
    "plot": "Draw figures from stored results.",
    "schema": "Print the JSON Schema of scenarios, sweeps or results.",
    "profiles": "List profiles, or show one: limits, defaults and prices with sources.",
}

MET, INTERNAL, USAGE, NOT_MET, SOME_FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes.  1 is a fault of kinsim, never a mistake of its user."""

EPILOG = """\b
Exit codes:
  0    done; all SLOs met, or none stated
  1    internal error
  2    usage or configuration error
  3    done, but an SLO is missed or undecided (--no-fail makes it 0)
  4    sweep finished, but some points failed
  130  interrupted

\b
Examples:
  $ kinsim init my-stream
  $ kinsim run configs/quickstart.yaml
  $ kinsim run configs/quickstart.yaml --set stream.shards=4
"""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"kinsim.present.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no such command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.option("--version", is_flag=True, help="Print the version; with -v also those of Python and the libraries.")
@click.option("-v", "--verbose", is_flag=True, help="Say more; show the traceback of an internal error.")
@click.pass_context
def cli(ctx: click.Context, version: bool, verbose: bool) -> None:
    """Plan Kinesis streams with Lambda functions behind them.

    From a YAML file to iterator age, time-outs, throttling, losses and cost, by simulation.
    """
    ctx.obj = {"verbose": verbose}
    if version:
        write_result("\n".join(_versions() if verbose else [f"kinsim {kinsim.__version__}"]))
    elif ctx.invoked_subcommand is None:
        write_result(ctx.get_help())


def _versions() -> list[str]:
    """Versions that a bug report needs, one a line."""
    from kinsim.present.versions import describe

    return describe()


def write_result(text: str) -> None:
    """Write *text* and a newline to stdout; that it is closed, or its reader has gone away, is no error."""
    if sys.stdout is None:
        return
    try:
        click.echo(printable(text, sys.stdout.encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()


def write_note(text: str) -> None:
    """Write *text* and a newline to stderr, where everything but the result goes; that it cannot be is no error."""
    if sys.stderr is None:
        return
    with suppress(OSError):
        click.echo(printable(text, sys.stderr.encoding), err=True)


_ASCII = str.maketrans(
    {"·": "-", "×": "x", "→": "->", "±": "+/-", "…": "...", "≥": ">=", "≤": "<=", "–": "-", "µ": "u"}
)


def printable(text: str, encoding: str | None) -> str:
    """*text* as a console with *encoding* can show it.

    >>> printable("8 shards × 24 h", "ascii")
    '8 shards x 24 h'
    """
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return text.translate(_ASCII).encode(encoding or "ascii", "replace").decode(encoding or "ascii")
    return text


def _forget_stdout() -> None:
    """Send what is still buffered for a closed pipe nowhere, so that the interpreter ends in silence."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line *argv* (default: the process's own) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with ended_like_ctrl_c():
            code = cli.main(args=arguments, prog_name="kinsim", standalone_mode=False)
        if code == INTERRUPTED:
            write_note(resume(arguments))
        return code if isinstance(code, int) else MET
    except click.Abort:
        write_note("interrupted; nothing half-written was left behind")
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        _forget_stdout()
        return MET
    except Exception as error:
        return _report_failure(error, arguments)


def _report_failure(error: Exception, arguments: list[str]) -> int:
    """Show *error*: a message for a user's mistake, a short one and a log for a fault of kinsim."""
    from kinsim import errors
    from kinsim.present.failure import report_internal

    if isinstance(error, errors.InterruptedRun):
        write_note(f"{error}\n{resume(arguments)}")
        return INTERRUPTED
    if isinstance(error, errors.SettingError):
        error = errors.ConfigError(errors.Problem(message=error.message, help=error.help))
    if isinstance(error, errors.KinsimError) and not isinstance(error, errors.InternalError):
        write_note(str(error))
        return USAGE
    if isinstance(error, MemoryError):
        write_note(
            "there is not enough memory for this run: check the rates and counts of the workload; fewer replications, "
            "a shorter run.duration or workload.granularity: 1s need less"
        )
        return USAGE
    if isinstance(error, OSError):
        write_note(f"{error.filename or 'output'}: {error.strerror or error}")
        return USAGE
    write_note(report_internal(error, arguments))
    return INTERNAL


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """A process told to end, or whose terminal closes, ends as after Ctrl-C: nothing half-written, no orphans."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {each: signal.getsignal(each) for each in signals}
    for each in signals:
        if before[each] is signal.SIG_DFL:
            signal.signal(each, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def resume(arguments: Sequence[str]) -> str:
    """How to go on after an interruption: the same command, which must not start afresh.

    >>> resume(["sweep", "my sweep.yaml", "--fresh"])
    "to go on: kinsim sweep 'my sweep.yaml'"
    """
    import shlex

    return f"to go on: kinsim {shlex.join(word for word in arguments if word != '--fresh')}"


def verbose(ctx: click.Context, own: bool) -> bool:
    """Whether -v was given, before the command or after it."""
    shared: dict[str, Any] = ctx.find_root().obj or {}
    shared["verbose"] = bool(own or shared.get("verbose"))
    return bool(shared["verbose"])
