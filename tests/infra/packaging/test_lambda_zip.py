import zipfile
from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.packaging import lambda_zip

GOOD = {
    "app.py": b"a",
    "jobpipe/__init__.py": b"b",
    "jobpipe_collections/__init__.py": b"d",
    "chalice/app.py": b"c",
}


def make_zip(path: Path, files: dict[str, bytes], year: int = 2020) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


def test_the_bytes_do_not_depend_on_order_and_times(tmp_path: Path) -> None:
    one, other = tmp_path / "one.zip", tmp_path / "other.zip"

    first = lambda_zip.rewrite(make_zip(tmp_path / "a.zip", GOOD), one)
    second = lambda_zip.rewrite(make_zip(tmp_path / "b.zip", dict(reversed(GOOD.items())), year=2025), other)

    assert first == second
    assert one.read_bytes() == other.read_bytes()


def test_other_contents_have_another_hash(tmp_path: Path) -> None:
    first = lambda_zip.rewrite(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "one.zip")
    second = lambda_zip.rewrite(make_zip(tmp_path / "b.zip", GOOD | {"app.py": b"A"}), tmp_path / "other.zip")

    assert first != second


def test_names_and_contents_cannot_be_confused() -> None:
    assert lambda_zip.content_hash({"ab": b"c"}) != lambda_zip.content_hash({"a": b"bc"})


@pytest.mark.parametrize("missing", GOOD)
def test_a_zip_without_a_required_file_is_refused(tmp_path: Path, missing: str) -> None:
    files = {name: content for name, content in GOOD.items() if name != missing}

    with pytest.raises(OperatorError, match=missing):
        lambda_zip.rewrite(make_zip(tmp_path / "a.zip", files), tmp_path / "out.zip")


@pytest.mark.parametrize(
    "name",
    [
        "_fast.cpython-311-x86_64-linux-gnu.so",
        "lib/_fast.pyd",
        "jobpipe/__pycache__/x.py",
        "jobpipe/x.pyc",
        "boto3/__init__.py",
        "botocore/client.py",
        "tests/test_x.py",
    ],
)
def test_files_that_do_not_run_everywhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OperatorError, match="must not contain"):
        lambda_zip.rewrite(make_zip(tmp_path / "a.zip", GOOD | {name: b""}), tmp_path / "out.zip")


@pytest.mark.parametrize("name", ["socks/solver.py", "jobpipe/sources.py", "aws_lambda_powertools/py.typed"])
def test_names_that_only_look_alike_pass(tmp_path: Path, name: str) -> None:
    lambda_zip.rewrite(make_zip(tmp_path / "a.zip", GOOD | {name: b""}), tmp_path / "out.zip")
