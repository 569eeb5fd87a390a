"""The `.env` of a try-out: written once, completed by later versions."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from pyloto import bootstrap
from pyloto.bootstrap import complete_env, write_env

EARLIER = "# mine\nDEBUG=true\n  PRIVACY_KEYS=1:abc # the first\nA='b c'\n"


@pytest.fixture(autouse=True)
def _no_secret_in_the_environment(monkeypatch):
    monkeypatch.delenv("AUDIT_SIGNING_KEY", raising=False)


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env"


def test_a_new_file_is_its_owners_alone_and_needs_nothing_added(path):
    assert write_env(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert complete_env(path) == []
    assert not write_env(path)


@pytest.mark.parametrize(
    "text",
    [
        EARLIER,
        EARLIER.rstrip("\n"),
        EARLIER + "AUDIT_SIGNING_KEY=\n",
        EARLIER + "#AUDIT_SIGNING_KEY=x",
        EARLIER + "AUDIT_SIGNING_KEY= # none",
    ],
)
def test_an_earlier_file_gets_the_new_secret_and_keeps_the_rest(path, text):
    path.write_text(text)
    path.chmod(0o640)

    assert complete_env(path) == ["AUDIT_SIGNING_KEY"]

    values = dotenv_values(path)
    assert path.read_text().startswith(text)
    assert len(values["AUDIT_SIGNING_KEY"]) == 44
    assert (values["PRIVACY_KEYS"], values["A"]) == ("1:abc", "b c")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert complete_env(path) == []  # once


@pytest.mark.parametrize(
    "line", ["AUDIT_SIGNING_KEY=abc", 'export AUDIT_SIGNING_KEY = "abc"', "AUDIT_SIGNING_KEY=\nAUDIT_SIGNING_KEY=abc"]
)
def test_a_secret_that_is_there_stays(path, line):
    path.write_text(line)

    assert complete_env(path) == []
    assert path.read_text() == line


def test_a_secret_that_the_environment_holds_is_not_added(path, monkeypatch):
    monkeypatch.setenv("AUDIT_SIGNING_KEY", "abc")
    path.write_text(EARLIER)

    assert complete_env(path) == []


def test_each_file_gets_a_secret_of_its_own(tmp_path):
    paths = [tmp_path / "one", tmp_path / "two"]
    for each in paths:
        each.write_text(EARLIER)
        complete_env(each)

    assert dotenv_values(paths[0])["AUDIT_SIGNING_KEY"] != dotenv_values(paths[1])["AUDIT_SIGNING_KEY"]


def test_it_runs_without_anything_installed_and_says_what_it_added(tmp_path):
    script = tmp_path / "pyloto" / "bootstrap.py"
    script.parent.mkdir()
    script.write_text(Path(bootstrap.__file__).read_text())
    (tmp_path / ".env").write_text(EARLIER)
    command = [sys.executable, "-I", "-S", str(script)]

    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))

    assert "AUDIT_SIGNING_KEY" in first
    assert second == ""
