"""`--require-all`: a test that would be skipped fails instead, with the reason; CI runs so."""

from collections.abc import Generator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option; an environment variable of ours would reach the servers that tests start."""
    parser.addoption("--require-all", action="store_true", help="a skipped test is a failed one")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} may not be skipped under --require-all: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips by a marker, in a fixture or in the test."""
    report = yield
    if item.config.getoption("--require-all"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips of a whole module, as by `pytest.importorskip`."""
    report = yield
    if collector.config.getoption("--require-all"):
        _fail_if_skipped(report)
    return report
