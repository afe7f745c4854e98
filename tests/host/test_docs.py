"""The docs name every command with its example, and nothing that is not there."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typer

import hedgerow.cli
import hedgerow_lab.cli
from hedgerow_lab import scenario

TOP = Path(__file__).resolve().parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
TEXT = "\n".join(path.read_text() for path in (TOP / "README.md", TOP / "docs" / "operations.md"))


def plugins():
    """Commands that the lab adds to hedgerow: (name, function)."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    for name, target in project["entry-points"]["hedgerow.commands"].items():
        module, _, attribute = target.partition(":")
        yield name, getattr(import_module(module), attribute)


def walk(name, command):
    """(whole name, command) of a command, or of all commands of a group."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        if command.invoke_without_command:
            yield name, command
        for part, below in inner.items():
            yield from walk(f"{name} {part}", below)


def commands():
    found = dict(walk("hedgerow", typer.main.get_command(hedgerow.cli.app)))
    found.update(walk("hedgerow-lab", typer.main.get_command(hedgerow_lab.cli.app)))
    for name, function in plugins():
        app = typer.Typer()
        app.command(name)(function)
        found[f"hedgerow {name}"] = typer.main.get_command(app)
    return found


COMMANDS = commands()


def help_of(name):
    command = COMMANDS[name]
    return f"{command.help or ''}\n{command.epilog or ''}"


def examples(name):
    return re.findall(r"^\s*Example: (.+)$", help_of(name), re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_docs(name):
    assert f"`{name}`" in TEXT or re.search(rf"^    {re.escape(name)}(\s|$)", TEXT, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_the_help_is_in_the_docs(name):
    found = examples(name)
    assert found
    for example in found:
        assert example.startswith(name)
        assert re.search(rf"^    {re.escape(example)}( |$)", TEXT, re.MULTILINE), example


def test_the_docs_show_no_command_that_is_not_there():
    shown = []
    # `hedgerow log Bob` is `hedgerow log show Bob`.
    short = [name.removesuffix(" show") for name in COMMANDS if name.endswith(" show")]
    for path in PAGES:
        shown += re.findall(r"^    (hedgerow(?:-lab)? .+)$", path.read_text(), re.MULTILINE)
        shown += re.findall(r"`(hedgerow(?:-lab)? [a-z]+.*?)`", path.read_text())
    assert shown
    for line in shown:
        assert any(f"{line} ".startswith(f"{name} ") for name in (*COMMANDS, *short)), line


def test_the_docs_show_no_option_that_is_not_there():
    for path in PAGES:
        for line in re.findall(r"^    (hedgerow(?:-lab)? .+)$", path.read_text(), re.MULTILINE):
            name = max((name for name in COMMANDS if f"{line} ".startswith(f"{name} ")), key=len)
            known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
            assert set(re.findall(r"\s(--[a-z-]+)", line.partition("#")[0])) <= known, line


def test_every_make_target_that_is_listed_or_shown_exists():
    makefile = (TOP / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    listed = set(re.findall(r'^\t@echo "make ([a-z]+)', makefile, re.MULTILINE))
    assert listed == targets - {"help"}
    for path in PAGES:
        text = path.read_text()
        shown = re.findall(r"`make ([a-z]+)", text) + re.findall(r"^    make ([a-z]+)", text, re.MULTILINE)
        assert set(shown) <= targets, path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_file_that_a_page_names_exists(page):
    folders = "docs|tools|tests|shared|host|firmware|boards"
    for name in re.findall(rf"`\.?/?((?:{folders})/[\w./-]*)", page.read_text()):
        assert (TOP / name).exists(), name


def test_the_scenario_of_the_docs_is_one():
    page = (TOP / "docs" / "operations.md").read_text()
    shown = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(shown) == 1
    found = scenario.parse(shown[0])
    assert found.letters and found.events and found.holds.delivered == "all"


def test_every_action_of_a_scenario_is_explained():
    page = (TOP / "docs" / "operations.md").read_text()
    for action in scenario._ACTIONS:
        assert f"`{action}`" in page
