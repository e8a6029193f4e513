"""CI's promise that nothing is skipped is kept by machine."""

import pytest

SETUP = "[pytest]\nasyncio_default_fixture_loop_scope = function"
SKIPPING = {
    "test_marker": "import pytest\n@pytest.mark.skip(reason='no data')\ndef test_it(): ...",
    "test_fixture": "import pytest\n@pytest.fixture\ndef data(): pytest.skip('no data')\ndef test_it(data): ...",
    "test_body": "import pytest\ndef test_it(): pytest.skip('no data')",
}


def test_every_kind_of_skip_fails_under_require_all(pytester: pytest.Pytester) -> None:
    """Marker, fixture and body skips pass by default and fail with their reason under --require-all."""
    pytester.makeini(SETUP)
    pytester.makepyfile(**SKIPPING)
    pytester.runpytest("-p", "require_all").assert_outcomes(skipped=3)
    result = pytester.runpytest("-p", "require_all", "--require-all")
    result.assert_outcomes(failed=1, errors=2)
    result.stdout.fnmatch_lines(["*may not be skipped under --require-all: *no data*"])


def test_a_skipped_module_fails_under_require_all(pytester: pytest.Pytester) -> None:
    """A module that skips itself as it is collected is an error too."""
    pytester.makeini(SETUP)
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_module')\ndef test_it(): ...")
    result = pytester.runpytest("-p", "require_all", "--require-all")
    result.assert_outcomes(errors=1)
    assert result.ret != 0
