"""Values that an operator gives to make reach the programs unchanged, and no part of them is run.

make runs with the real Makefile in a folder whose programs only record their arguments.
Targets and variables are read from the Makefile: a new one is tested without being listed here.
"""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.make_values import arguments
from tests.infra.recorded_make import (
    IN_THE_SHELL,
    MAKEFILE,
    OWN_VARIABLES,
    TAKEN,
    TARGETS,
    VARIABLES,
    Checkout,
    Result,
    Target,
    make_checkout,
    put_recorder,
    taken_by,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path)


PAYLOADS = {
    "an apostrophe": "it's $(shell touch {mark})$(error no) ${{HOME}} $HOME $$ `touch {mark}`; touch {mark} #",
    "a quotation mark": 'say "$(touch {mark})`touch {mark}`$(shell touch {mark})',
    "closed quotes": "'; touch {mark}; '\"; touch {mark}; \"",
    "no quotes": "~/x $(shell touch {mark}) $(touch {mark}) ${{HOME}} `touch {mark}` ; touch {mark} && ~ * % \\",
    "lines": "a\ntouch {mark}\n\ttouch {mark}\n",
    "an option": "--all",
}


@pytest.mark.parametrize(
    ("payload", "by"),
    [
        *((each, "command line") for each in PAYLOADS),
        *((each, "environment") for each in ("an apostrophe", "no quotes", "lines")),
    ],
)
def test_every_value_of_every_target_arrives_unchanged(tmp_path: Path, payload: str, by: str) -> None:
    def attempt(target: Target) -> None:
        checkout = make_checkout(tmp_path / target.name)
        value = PAYLOADS[payload].format(mark=checkout.mark)
        given = dict.fromkeys(VARIABLES | {"UNKNOWN", "a.b"}, value)
        if by == "command line":
            given |= dict.fromkeys(OWN_VARIABLES, value)
        given |= dict.fromkeys(target.variables("yes"), "yes")
        result = checkout.make(target.name, given=given, by=by)

        assert not checkout.mark.exists(), target.name
        refused = unreadable(value) and target.variables("words") | target.variables("each")
        if refused:
            assert result.status != 0, target.name
            assert result.programs == [], target.name
            assert own_lines(result) == [
                f"make: {first(target)}: {value!r} cannot be split into words: {reason(value)}"
            ]
            return
        assert result.status == 0, result.output
        for _, kind, _ in target.taken:
            assert kind in {"", "yes", "each", "words"}
        programs = expected(target, value)
        modules = [words[:2] for words in programs]
        assert [words for words in result.programs if words[:2] in modules] == programs
        for record in result.records:
            passed_on = {name: each for name, each in given.items() if name not in OWN_VARIABLES | {"a.b"}}
            assert {name: record["environment"].get(name) for name in passed_on} == passed_on, target.name
            assert value not in record["environment"].get("MAKEFLAGS", ""), "a nested make would expand it"

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attempt, TARGETS))


def expected(target: Target, value: str) -> list[list[str]]:
    """Return the arguments of the recipe's programs that take values, with the values inserted."""
    recipe = re.search(rf"^{target.name}:.*\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    text = recipe[1].replace("\\\n", " ").replace("$(JOBPIPE)", "$(RUN) jobpipe_client.cli")
    text = text.replace("$(wildcard tests/integration tests/e2e)", "")  # make finds no such folders here
    return [arguments_of(line, value) for line in text.splitlines() if taken_by(line)]


def arguments_of(line: str, value: str) -> list[str]:
    """Return the arguments of one program with the values inserted."""
    words = ["-m", *shlex.split(line.partition("$(RUN) ")[2])]
    found: list[str] = []
    for word in words:
        match = TAKEN.fullmatch(word)
        if match is None:
            found.append(word)
            continue
        option, kind, _ = match.groups()
        if kind == "yes":
            found.append(option)
        elif kind in {"each", "words"}:
            found += [f"{option}={each}" if option else each for each in shlex.split(value)]
        else:
            found.append(f"{option}={value}" if option else value)
    return found


def unreadable(value: str) -> bool:
    return reason(value) is not None


def reason(value: str) -> str | None:
    try:
        shlex.split(value)
    except ValueError as error:
        return str(error)
    return None


def first(target: Target) -> str:
    return next(name for _, kind, name in target.taken if kind in {"words", "each"})


def own_lines(result: Result) -> list[str]:
    """Return the output without the last line, which make prints."""
    return [line for line in result.output.splitlines() if not line.startswith("make: *** ")]


WITH_YES = [(each.name, name) for each in TARGETS for name in sorted(each.variables("yes"))]


@pytest.mark.parametrize("value", ["ja", "'; touch {mark}; '", "yes$(shell touch {mark})"])
def test_a_value_that_is_neither_yes_nor_no_is_refused(checkout: Checkout, value: str) -> None:
    value = value.format(mark=checkout.mark)
    for target, name in WITH_YES:
        result = checkout.make(target, given={"FILE": "x", name: value})
        assert own_lines(result) == [f"make: {name}: {value!r} is neither yes nor no"]
        assert (result.status, result.programs) == (2, [])
    assert not checkout.mark.exists()


@pytest.mark.parametrize(
    ("value", "given"), [("yes", True), ("YES", True), ("1", True), ("no", False), ("0", False), ("", False)]
)
def test_yes_and_no(checkout: Checkout, value: str, *, given: bool) -> None:
    (program,) = checkout.make("redrive", given={"ALL": "yes", "DRY_RUN": value}).programs
    assert ("--dry-run" in program) is given


@pytest.mark.parametrize("item", ["it's", "' --all '", "'", '"', "$(shell true)'"])
def test_a_redrive_stays_a_dry_run(checkout: Checkout, item: str) -> None:
    (program,) = checkout.make("redrive", given={"ITEM": item, "DRY_RUN": "yes"}).programs
    expected_arguments = ["-m", "jobpipe_client.cli", "redrive", "--stage=local", f"--item={item}", "--dry-run"]
    assert program == expected_arguments


@pytest.mark.parametrize(
    ("target", "name", "meant"),
    [
        ("redrive", "DRYRUN", "DRY_RUN"),
        ("redrive", "dry_run", "DRY_RUN"),
        ("redrive", "OWNERS", "OWNER"),
        ("logs", "MINUTES", "minutes"),
        ("deploy-local", "PARAMETER", "PARAMETERS"),
    ],
)
def test_a_misspelt_variable_is_refused_and_nothing_runs(
    checkout: Checkout, target: str, name: str, meant: str
) -> None:
    result = checkout.make(target, given={"ALL": "yes", name: "yes"})
    assert own_lines(result) == [f"make: there is no variable {name}; did you mean {meant}?"]
    assert (result.status, result.programs) == (2, [])


def test_variables_of_other_programs_are_left_alone(checkout: Checkout) -> None:
    given = {"JOBPIPE_PORT": "4700", "CFLAGS": "-O2", "V": "1"}
    (program,) = checkout.make("redrive", given=given | {"DRY_RUN": "yes"}).programs
    assert program[-1] == "--dry-run"


def test_programs_keep_their_bytecode(checkout: Checkout) -> None:
    """Otherwise each process of the tests would compile every module of the checkout again."""
    records = checkout.make("test", given={"PYTHONDONTWRITEBYTECODE": "1"}, by="environment").records
    assert records
    assert not any("PYTHONDONTWRITEBYTECODE" in each["environment"] for each in records)


def test_a_file_that_looks_like_an_option_is_a_file(checkout: Checkout) -> None:
    (program,) = checkout.make("import", given={"FILE": "--restart"}).programs
    assert program[-2:] == ["--", "--restart"]
    assert own_lines(checkout.make("import")) == ["make: FILE=... is needed"]


PACKAGING = ("demo", "dev", "deploy-local", "deploy", "diff", "package", "lint", "new-collection")


def test_every_target_that_packages_takes_a_folder_of_collections(checkout: Checkout) -> None:
    for target in PACKAGING:
        programs = checkout.make(target, given={"COLLECTIONS": "~/my $x folder", "NAME": "orders"}).programs
        packaging = [words for words in programs if words[:1] == ["-m"] and words[1] in MODULES]
        assert packaging, target
        assert all("--collections=~/my $x folder" in words for words in packaging), target
    others = {each.name for each in TARGETS if "COLLECTIONS" in each.variables("")}
    # These take the folder too, for its rules.
    assert others - {"check", "reindex", "faults"} == set(PACKAGING)
    assert not [module for module in MODULES if re.search(rf"\$\(PY\) -m {module}\b", MAKEFILE)]


MODULES = (
    "infra.deploy",
    "infra.dev",
    "infra.packaging.package",
    "infra.checks.lint_variants",
    "infra.collections.scaffold",
)


def test_quotes_keep_words_together(checkout: Checkout) -> None:
    (program,) = checkout.make("bench", given={"BENCH": """--quick "a b" 'c d' e\\ f"""}).programs
    assert program == ["-m", "tests.bench", "--quick", "a b", "c d", "e f"]


def test_blanks_around_a_value_are_part_of_it(checkout: Checkout) -> None:
    """On the command line make itself drops leading blanks."""
    for by, item in (("environment", "  x "), ("command line", "x ")):
        (program,) = checkout.make("redrive", given={"ITEM": "  x "}, by=by).programs
        assert f"--item={item}" in program


@pytest.mark.parametrize(
    ("given", "stage"),
    [({}, "local"), ({"JOBPIPE_STAGE": "test"}, "test"), ({"JOBPIPE_STAGE": "test", "STAGE": "prod"}, "prod")],
)
def test_the_stage_comes_from_the_first_variable_that_is_set(
    checkout: Checkout, given: dict[str, str], stage: str
) -> None:
    for target in ("stats", "deploy", "key"):
        (program,) = checkout.make(target, given=given).programs
        assert f"--stage={stage}" in program
    (record,) = checkout.make("test-integration", given=given).records[-1:]
    assert record["environment"]["JOBPIPE_TEST_STAGE"] == stage


SET_UP = {
    ".venv/.installed": "tools",
    ".venv/.dev-installed": "dev",
    ".venv/.bench-installed": "bench",
    ".venv/.browser-installed": "browser",
    ".jobpipe/checks-venv/.installed": "checks",
}


@pytest.mark.parametrize("payload", PAYLOADS)
def test_the_variable_python_is_a_program_and_not_a_shell_command(checkout: Checkout, payload: str) -> None:
    value = PAYLOADS[payload].format(mark=checkout.mark)
    for by in ("command line", "environment"):
        for python in (".venv/bin/python", ".jobpipe/checks-venv/bin/python"):
            (checkout.folder / python).unlink(missing_ok=True)
        for target in SET_UP:
            result = checkout.make(target, given={"PYTHON": value}, by=by)
            assert own_lines(result) == ["make: Python 3.11 or newer is needed; PYTHON=... names it"]
            assert result.status == 2
    assert not checkout.mark.exists()


def test_the_variable_python_may_name_any_folder(checkout: Checkout) -> None:
    folder = checkout.folder / 'it\'s "a" $(folder) `of` programs'
    folder.mkdir()
    put_recorder(folder / "python3")
    for python in (".venv/bin/python", ".jobpipe/checks-venv/bin/python"):
        (checkout.folder / python).unlink()
    result = checkout.make(".jobpipe/checks-venv/.installed", given={"PYTHON": str(folder / "python3")})
    assert [each["given"] for each in result.records][1:] == [["-m", "infra.environments", "make", "checks"]]


def test_no_recipe_refers_to_a_variable_that_could_be_given() -> None:
    defined = set(re.findall(r"^override (\w+) :?=", MAKEFILE, re.MULTILINE))
    referred = set(re.findall(r"(?<!\$)\$[({](?:call )?(\w+)[),}]", MAKEFILE))
    assert referred - defined == {"1", "2", "3"}
    assert defined == OWN_VARIABLES | {"MAKEOVERRIDES", "SHELL"}
    assert re.findall(r"(?<!\$)\$[A-Za-z]", MAKEFILE) == [], "a name of one letter"


def test_every_variable_in_the_help_is_used() -> None:
    for target in TARGETS:
        known = {name for _, _, name in target.taken} | IN_THE_SHELL
        assert set(re.findall(r"\b(\w+)=", target.help)) <= known, target.name


def test_there_is_a_target_of_every_kind() -> None:
    """Otherwise the tests above would check nothing."""
    assert len(TARGETS) > 40
    assert {kind for each in TARGETS for _, kind, _ in each.taken} == {"", "yes", "each", "words"}
    listed = {"STAGE", "TARGET", "PARAMETERS", "PYTHON", "PYTEST_ARGS", "FILE", "CHROMIUM", "minutes", "RESEND"}
    assert listed <= VARIABLES


@pytest.mark.parametrize("argument", ["--json", "literal", "@", "--x=@nothing:X", "--x=@1", "a@X", "--since=SINCE"])
def test_an_argument_without_a_value_is_unchanged(argument: str) -> None:
    assert arguments([argument], {"X": "x", "SINCE": "y"}) == [argument]


def test_a_value_is_left_out_if_it_is_empty_or_missing() -> None:
    assert arguments(["--a=@A", "--b=@each:B", "--c=@yes:C", "@words:D"], {"A": ""}) == []
    with pytest.raises(OperatorError, match="FILE"):
        arguments(["@FILE"], {"FILE": ""})
