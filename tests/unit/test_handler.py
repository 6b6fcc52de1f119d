from __future__ import annotations

import ast
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_layer_provider.errors import InvalidInputError
from python_layer_provider.handler import check_handler
from python_layer_provider.target import Target

PLAIN = "def handler(event, context):\n    return event\n"


def make(folder: Path, **files: str) -> Path:
    """A folder of these modules, named without `.py`."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def found(folder: Path, text: str, handler: str = "handler") -> str:
    return check_handler(make(folder, index=text), "index.py", handler)


def refusal(folder: Path, index: str = "index.py", handler: str = "handler") -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        check_handler(folder, index, handler)
    assert caught.value.hint
    return caught.value


# What Lambda is told.


@pytest.mark.parametrize(
    ("index", "handler", "form"),
    [
        ("index.py", "handler", "index.handler"),
        ("index", "handler", "index.handler"),
        ("./index.py", "handler", "index.handler"),
        ("app/main.py", "handler", "app.main.handler"),
        ("app/main", "handler", "app.main.handler"),
        ("package", "handler", "package.handler"),
        ("package/__init__.py", "handler", "package.handler"),
        ("my-app.py", "handler", "my-app.handler"),
        ("index.py", "index.handler", "index.handler"),
        ("index.py", "app.main.handler", "app.main.handler"),
        ("index.py", "app/main.handler", "app.main.handler"),
        ("app/main.py", "app/main.handler", "app.main.handler"),
        ("app/main", "app.main.handler", "app.main.handler"),
    ],
)
def test_lambda_is_told_module_and_name_with_dots(tmp_path: Path, index: str, handler: str, form: str) -> None:
    make(tmp_path, **{"index": PLAIN, "app/main": PLAIN, "package/__init__": PLAIN, "my-app": PLAIN})
    assert check_handler(tmp_path, index, handler) == form


def test_nothing_is_imported(tmp_path: Path) -> None:
    assert found(tmp_path, f"raise SystemExit\n{PLAIN}") == "index.handler"


def test_a_package_comes_before_a_module_of_its_name(tmp_path: Path) -> None:
    make(tmp_path, **{"index": "", "index/__init__": PLAIN})
    assert check_handler(tmp_path, "index.py", "handler") == "index.handler"


# Names that a module has.


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "class handler: ...",
        "handler = print",
        "handler: object = print",
        "a, (b, handler) = 1, (2, print)",
        "[a, *handler] = 1, 2",
        "a = handler = print",
        "(handler := print)",
        "import handler",
        "import handler.sub",
        "import x as handler",
        "from x import handler",
        "from x import y as handler",
        "from . import handler",
        "if a:\n    def handler(event, context): ...",
        "if a:\n    pass\nelse:\n    handler = 1",
        "try:\n    from a import handler\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    handler = 1",
        "try:\n    pass\nfinally:\n    handler = 1",
        "with a as handler: ...",
        "with a:\n    handler = 1",
        "for handler in a: ...",
        "while a:\n    handler = 1",
        "match a:\n    case {'b': handler}: ...",
        "match a:\n    case [*handler]: ...",
        "match a:\n    case {**handler}: ...",
        "@decorator\ndef handler(event, context): ...",
    ],
)
def test_a_name_bound_at_module_level_is_found(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == "index.handler"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "handler: object",
        "print(handler)",
        "def outer():\n    def handler(event, context): ...",
        "class Outer:\n    def handler(self, event, context): ...",
        "class Outer:\n    handler = 1",
        "a = [handler for handler in b]",
        "a = lambda handler: 1",
        "def outer(handler): ...",
        "a.handler = 1",
        "a['handler'] = 1",
        "from handler import a",
        "import a.handler",
        "'def handler(): ...'",
    ],
)
def test_a_name_bound_elsewhere_is_none_of_the_module(tmp_path: Path, text: str) -> None:
    make(tmp_path, index=text)
    error = refusal(tmp_path)
    assert error.what == "there is no `handler` in `index.py`"
    assert error.input_name == "handler"


@pytest.mark.parametrize(
    "text",
    [
        "from x import *",
        "try:\n    from x import *\nexcept ImportError: ...",
        "def __getattr__(name): ...",
        "from x import __getattr__",
        "globals()['handler'] = print",
        "globals().update(a)",
        "vars()['handler'] = print",
        "def set_up():\n    global handler\n    handler = print\nset_up()",
        "exec(text)",
        "import sys\nsetattr(sys.modules[__name__], 'handler', print)",
    ],
)
def test_what_only_running_it_would_tell_passes(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == "index.handler"


def test_another_functions_global_makes_no_handler(tmp_path: Path) -> None:
    make(tmp_path, index="def set_up():\n    global other\n    other = 1\n")
    assert "there is no `handler`" in refusal(tmp_path).what


# Async functions.


@pytest.mark.parametrize(
    "text",
    [
        "async def handler(event, context): ...",
        "if a:\n    async def handler(event, context): ...\nelse:\n    async def handler(event, context): ...",
    ],
)
def test_an_async_handler_is_refused(tmp_path: Path, text: str) -> None:
    make(tmp_path, index=text)
    error = refusal(tmp_path)
    assert error.what == "`handler` in `index.py` is an async function: Lambda's Python runtimes do not await it"
    assert error.input_name == "handler"
    assert "asyncio.run" in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "@synchronous\nasync def handler(event, context): ...",
        "async def handler(event, context): ...\nhandler = synchronous(handler)",
        f"async def main(event): ...\n{PLAIN}",
    ],
)
def test_an_async_function_that_something_wraps_passes(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == "index.handler"


# A handler that is not there.


def test_a_name_that_is_close_is_offered(tmp_path: Path) -> None:
    make(tmp_path, index=f"def other(): ...\n{PLAIN}")
    error = refusal(tmp_path, handler="handlr")
    assert error.what == "there is no `handlr` in `index.py`"
    assert error.detail == "functions there: `other`, `handler`"
    assert error.hint == "did you mean `handler`"


def test_many_functions_are_cut_short(tmp_path: Path) -> None:
    make(tmp_path, index="\n".join(f"def f{number}(): ..." for number in range(12)))
    assert refusal(tmp_path, handler="x").detail.endswith("`f9` and 2 more")


def test_a_module_without_functions_is_told(tmp_path: Path) -> None:
    make(tmp_path, index="A = 1")
    assert refusal(tmp_path).detail == "it has no function"


# A file that is not there.


def test_the_modules_that_are_there_are_told(tmp_path: Path) -> None:
    make(tmp_path, **{"app/main": PLAIN, "indx": PLAIN})
    (tmp_path / "readme.md").write_text("")
    error = refusal(tmp_path)
    assert error.what == f"there is no `index.py` in `{tmp_path}`"
    assert error.detail == "there: `indx.py`, `app/main.py`"
    assert error.hint == "did you mean `indx.py`"
    assert error.input_name == "index"


def test_a_folder_without_modules_is_told(tmp_path: Path) -> None:
    assert refusal(tmp_path).detail == "it has no .py file"


@pytest.mark.parametrize("handler", ["app.handler", "app/main.handler", ".handler", "app..handler", "/app.handler"])
def test_a_file_that_the_handler_names_is_missed_at_the_handler(tmp_path: Path, handler: str) -> None:
    error = refusal(make(tmp_path, index=PLAIN), handler=handler)
    assert error.what.startswith("there is no `")
    assert error.input_name == "handler"


@pytest.mark.parametrize("exclude", [["index.py"], ["*.py"]])
def test_a_file_that_is_excluded_is_not_there_for_lambda(tmp_path: Path, exclude: list[str]) -> None:
    with pytest.raises(InvalidInputError, match=r"`index\.py` stays out of the function's code"):
        check_handler(make(tmp_path, index=PLAIN), "index.py", "handler", exclude=exclude)


def test_a_file_that_git_ignores_is_not_there_for_lambda(tmp_path: Path) -> None:
    make(tmp_path, index=PLAIN)
    (tmp_path / ".gitignore").write_text("index.py\n")
    assert refusal(tmp_path).what == "`index.py` stays out of the function's code"


@pytest.mark.parametrize("index", ["", ".py", "../index.py", "app.main", "my.app/main.py", "a/.hidden.py", ".."])
def test_an_index_that_python_cannot_import_is_refused(tmp_path: Path, index: str) -> None:
    error = refusal(make(tmp_path, index=PLAIN), index)
    assert error.what == f"`{index}` is no path of a module below the entry"
    assert error.input_name == "index"


@pytest.mark.parametrize("index", ["/index.py", "a\0b", "a" * 5000, "a\\b.py", "\udcff.py"])
def test_an_index_that_cannot_be_is_not_there(tmp_path: Path, index: str) -> None:
    assert refusal(make(tmp_path, index=PLAIN), index).what.startswith("there is no `")


def test_index_and_handler_that_name_two_files_are_refused(tmp_path: Path) -> None:
    error = refusal(make(tmp_path, main=PLAIN, app=PLAIN), "main.py", "app.handler")
    assert error.what == "`app.handler` names another file than `main.py`, which `index` names"
    assert error.hint == 'handler="handler", or leave out `index`'
    assert error.input_name == "handler"


def test_a_module_hides_a_folder_of_its_name_that_is_no_package(tmp_path: Path) -> None:
    make(tmp_path, **{"app": "", "app/main": PLAIN})
    error = refusal(tmp_path, "app/main.py")
    assert error.what == "`app/main.py` cannot be imported: Python takes `app.py` for the folder beside it"
    (tmp_path / "app/__init__.py").write_text("")
    assert check_handler(tmp_path, "app/main.py", "handler") == "app.main.handler"


def test_a_name_that_lambdas_runtime_has_loaded_is_refused(tmp_path: Path) -> None:
    make(tmp_path, **{"json": PLAIN, "app/json": PLAIN})
    assert "has a module `json` loaded" in refusal(tmp_path, "json.py").what
    assert check_handler(tmp_path, "app/json.py", "handler") == "app.json.handler"


@pytest.mark.parametrize("name", ["my app", "a" * 121])
def test_a_form_that_lambda_does_not_take_is_refused(tmp_path: Path, name: str) -> None:
    make(tmp_path, **{name: PLAIN, "a" * 120: PLAIN})
    assert refusal(tmp_path, name).what == f"`{name}.handler` is no handler that Lambda takes"
    assert check_handler(tmp_path, "a" * 120, "handler")


# What Python makes of the text.


@pytest.mark.parametrize(
    "content",
    [
        b"# -*- coding: latin-1 -*-\nA = '\xe9'\ndef handler(event, context): ...\n",
        b"# coding: cp1252\nA = '\x80'\r\ndef handler(event, context): ...\r\n",
        b"\xef\xbb\xbfdef handler(event, context): ...\n",
        "A = 'é'\ndef handler(event, context): ...".encode(),
    ],
)
def test_a_source_is_decoded_as_python_decodes_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "index.py").write_bytes(content)
    assert check_handler(tmp_path, "index.py", "handler") == "index.handler"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"A = 1\ndef handler(event, context)\n    return 1\n", "`index.py:2`"),
        (b"if a:\nhandler = 1\n", "`index.py:2`"),
        (b"A = '\xe9'\n", "`index.py"),
        (b"# coding: klingon\n", "`index.py"),
        (b"A = 1\0\n", "`index.py"),
    ],
)
def test_a_source_that_python_cannot_read_is_told_with_its_line(tmp_path: Path, content: bytes, where: str) -> None:
    (tmp_path / "index.py").write_bytes(content)
    error = refusal(tmp_path)
    assert error.what.startswith(where)
    assert "is no Python: " in error.what
    assert error.input_name == "index"


@pytest.mark.parametrize(("newer", "told"), [(1, False), (0, True), (-1, True)])
def test_syntax_is_judged_only_by_a_python_that_is_no_older(tmp_path: Path, *, newer: int, told: bool) -> None:
    make(tmp_path, index="syntax of tomorrow")
    target = Target(runtime=f"python3.{sys.version_info.minor + newer}", architecture="arm64")
    if told:
        with pytest.raises(InvalidInputError, match="is no Python"):
            check_handler(tmp_path, "index.py", "handler", target=target)
    else:
        assert check_handler(tmp_path, "index.py", "handler", target=target) == "index.handler"


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path) -> bytes:
        raise PermissionError(path)

    make(tmp_path, index=PLAIN)
    monkeypatch.setattr(Path, "read_bytes", denied)
    error = refusal(tmp_path)
    assert error.what == "`index.py` cannot be read"
    assert error.detail.endswith("index.py")


@pytest.mark.parametrize("error", [RecursionError, MemoryError])
def test_a_depth_that_this_python_does_not_take_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def too_deep(*_: object) -> ast.Module:
        raise error

    make(tmp_path, index="")
    monkeypatch.setattr(ast, "parse", too_deep)
    assert check_handler(tmp_path, "index.py", "handler") == "index.handler"


def test_a_warning_of_the_compiler_is_not_ours_to_give(tmp_path: Path) -> None:
    assert found(tmp_path, f"A = '\\d'\n{PLAIN}") == "index.handler"


PIECES = st.lists(
    st.sampled_from(
        [
            *("def handler(event, context): ...", "class a:", "match a:\n case ", "import ", "from x ", "lambda: "),
            *("async ", "handler", " = ", "(", ")", "{", "*", "\n", "    ", "'", '"""'),
            *("\0", "é", "\ufeff", "# coding: utf-16"),
        ]
    ),
    max_size=12,
)


@given(text=st.one_of(st.binary(max_size=60), PIECES.map(lambda pieces: "".join(pieces).encode())))
def test_no_source_whatever_raises_anything_else(text: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "index.py").write_bytes(text)
        try:
            assert check_handler(Path(folder), "index.py", "handler") == "index.handler"
        except InvalidInputError as error:
            assert error.input_name in {"index", "handler"}  # noqa: PT017 (either way is right)


@given(index=st.text("a./\\ \0é\n_py", max_size=12), handler=st.text("a./ \0é_", max_size=8))
def test_no_index_or_handler_whatever_raises_anything_else(index: str, handler: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.py").write_text("a = 1")
        try:
            assert check_handler(Path(folder), index, handler) == "a.a"
        except InvalidInputError as error:
            assert error.input_name in {"index", "handler"}  # noqa: PT017 (either way is right)
