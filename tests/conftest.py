"""Options and fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

TRACES = Path(__file__).parent / "traces"

# The same examples in every run: a failure can be repeated, and slow machines do not fail.
settings.register_profile("kinsim", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("kinsim")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--traces",
        metavar="DIR",
        default=None,
        help="folder with the real traces and published numbers; tests/traces is collected only with it",
    )


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--traces", default=None)
    if folder is not None and not Path(folder).is_dir():
        raise pytest.UsageError(f"--traces {folder}: there is no such folder")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    needs_traces = collection_path.is_relative_to(TRACES)
    return True if needs_traces and config.getoption("--traces") is None else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--traces") is None:
        files = len(list(TRACES.glob("test_*.py")))
        terminalreporter.write_line(
            f"tests/traces: {files} files not collected; they need real traces, which are not part of it: --traces=DIR"
        )


@pytest.fixture(scope="session")
def traces_dir(request: pytest.FixtureRequest) -> Path:
    """The folder given by ``--traces``."""
    folder = request.config.getoption("--traces")
    if folder is None:
        pytest.fail("this test needs --traces=DIR")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return Path(__file__).parent.parent
