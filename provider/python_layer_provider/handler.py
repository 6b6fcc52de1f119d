"""A function's handler, found in its source without importing it: what Lambda would tell at the first call."""

from __future__ import annotations

import ast
import difflib
import sys
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from python_layer_provider.code import code_files
from python_layer_provider.errors import InvalidInputError
from python_layer_provider.project_files import Travelling
from python_layer_provider.target import Target

DEFAULT_INDEX = "index.py"

# https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
_HANDLER_LIMIT = 128
# What Lambda's runtime interface client imports before the handler: a file of that name is not looked for any more.
_LOADED = frozenset({"awslambdaric", "importlib", "json", "logging", "os", "sys", "time", "traceback"})
# Through these a module may get names that its text does not show.
_NAMESPACES = frozenset({"globals", "locals", "vars", "exec"})
# What is bound inside of these is bound there alone.
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.comprehension)
_SHOWN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    module: tuple[str, ...]
    """Its path without `.py`, in parts; of a package its folder."""
    name: str
    input_name: str
    """The input that names the module."""

    @property
    def path(self) -> str:
        return "/".join(self.module)


def check_handler(
    entry: Path, index: str, handler: str, *, target: Target | None = None, exclude: Sequence[str] = ()
) -> str:
    """See that a function's code has its handler, and tell it as Lambda wants it.

    A handler's name has no dot. So one with a dot is in AWS's own form, `app.handler` or `app/main.handler`, and names
    the file as well; then `index` has to be the default, or name the same file.

    What only running the code would tell passes: star imports, a module's `__getattr__`, names set by `globals()`.

    Args:
        entry: The folder with the code.
        index: The file with the handler, relative to `entry`, with or without `.py`.
        handler: The handler's name in that file, or AWS's form of both.
        target: What the function runs on: syntax that is newer than the Python here is not judged. Without it, it is
            taken to be no newer.
        exclude: What stays out of the code; see `code_files`.

    Returns:
        Module and name with dots, `app.main.handler`, which Lambda imports as it is. It takes a slash for a dot.

    Raises:
        InvalidInputError: There is no such file, Python cannot read it, or it has no such handler.
    """
    asked = _asked(index, handler)
    files = code_files(entry, exclude)
    file = _file(files, asked, entry)
    tree = _parsed(file, target, asked)
    if tree is not None:
        _check_bound(tree, asked.name, file.path)
    return _lambdas_form(asked)


def _asked(index: str, handler: str) -> _Asked:
    named = _parts(index)
    module, dot, name = handler.rpartition(".")
    if not dot:
        return _Asked(module=named, name=name, input_name="index")
    parts = tuple(module.replace("/", ".").split("."))
    if parts != named and index != DEFAULT_INDEX:
        raise InvalidInputError(
            f"`{handler}` names another file than `{index}`, which `index` names",
            hint=f'handler="{name}", or leave out `index`',
            input_name="handler",
        )
    return _Asked(module=parts, name=name, input_name="handler")


def _parts(index: str) -> tuple[str, ...]:
    parts = PurePosixPath(index.removesuffix(".py")).parts
    if not parts or any("." in part for part in parts):
        raise InvalidInputError(
            f"`{index}` is no path of a module below the entry",
            hint="name the file with slashes, such as app/main.py; folders with a dot cannot be imported from",
            input_name="index",
        )
    return parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts


def _file(files: Mapping[str, Travelling], asked: _Asked, entry: Path) -> Travelling:
    """The file that Python imports, a package before a module of the same name."""
    file = files.get(f"{asked.path}/__init__.py") or files.get(f"{asked.path}.py")
    if file is None:
        raise _missing(files, asked, entry)
    hiding = _hiding(files, asked.module)
    if hiding:
        raise InvalidInputError(
            f"`{file.path}` cannot be imported: Python takes `{hiding}` for the folder beside it",
            hint=f"put an __init__.py into `{hiding.removesuffix('.py')}`, or rename one of both",
            input_name=asked.input_name,
        )
    if asked.module[0] in _LOADED:
        raise InvalidInputError(
            f"`{file.path}` cannot be imported: Lambda's runtime has a module `{asked.module[0]}` loaded by then",
            hint="rename it",
            input_name=asked.input_name,
        )
    return file


def _hiding(files: Mapping[str, Travelling], module: Sequence[str]) -> str | None:
    """A module that Python takes before a folder on the way, which it does unless that is a package."""
    folders = ("/".join(module[:end]) for end in range(1, len(module)))
    return next((f"{one}.py" for one in folders if f"{one}.py" in files and f"{one}/__init__.py" not in files), None)


def _missing(files: Mapping[str, Travelling], asked: _Asked, entry: Path) -> InvalidInputError:
    path = f"{asked.path}.py"
    if _is_file(entry / path):
        return InvalidInputError(
            f"`{path}` stays out of the function's code",
            hint="take it out of .gitignore and `exclude`",
            input_name=asked.input_name,
        )
    modules = sorted((one for one in files if one.endswith(".py")), key=lambda one: (one.count("/"), one))
    close = difflib.get_close_matches(path, modules, n=1)
    return InvalidInputError(
        f"there is no `{path}` in `{entry}`",
        detail=f"there: {_some(modules)}" if modules else "it has no .py file",
        hint=f"did you mean `{close[0]}`" if close else "name the file with the handler, relative to the entry",
        input_name=asked.input_name,
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    # A name that is too long, or has a NUL.
    except (OSError, ValueError):
        return False


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + rest


def _parsed(file: Travelling, target: Target | None, asked: _Asked) -> ast.Module | None:
    """The module's syntax tree; None where this Python cannot tell."""
    try:
        source = Path(file.source).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source, file.path)
    except OSError as error:
        raise InvalidInputError(
            f"`{file.path}` cannot be read", detail=str(error), hint="check its rights", input_name=asked.input_name
        ) from error
    # The depth that a parser takes is its own: that of the runtime may take more.
    except (RecursionError, MemoryError):
        return None
    # A NUL is a ValueError up to Python 3.11.
    except (SyntaxError, ValueError) as error:
        if target and sys.version_info < tuple(map(int, target.python.split("."))):
            return None
        raise _no_python(file.path, error, asked) from error


def _no_python(path: str, error: SyntaxError | ValueError, asked: _Asked) -> InvalidInputError:
    line, text, what = None, "", str(error)
    if isinstance(error, SyntaxError):
        line, text, what = error.lineno, (error.text or "").strip(), error.msg
    return InvalidInputError(
        f"`{path}:{line}` is no Python: {what}" if line else f"`{path}` is no Python: {what}",
        detail=text,
        hint="Lambda could not import it: mend it",
        input_name=asked.input_name,
    )


def _check_bound(tree: ast.Module, name: str, path: str) -> None:
    bound = list(_bindings(tree))
    nodes = [node for found, node in bound if found == name]
    if _is_open(tree, name) or any(found == "__getattr__" for found, _ in bound):
        return
    if not nodes:
        raise _no_handler(bound, name, path)
    # A decorator may make a plain function of it, as whatever else is bound to the name may be one.
    if all(isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list for node in nodes):
        raise InvalidInputError(
            f"`{name}` in `{path}` is an async function: Lambda's Python runtimes do not await it",
            hint="call it from a plain one: def handler(event, context): return asyncio.run(main(event, context))",
            input_name="handler",
        )


def _no_handler(bound: Sequence[tuple[str, ast.AST]], name: str, path: str) -> InvalidInputError:
    functions = list(dict.fromkeys(found for found, node in bound if isinstance(node, ast.FunctionDef)))
    close = difflib.get_close_matches(name, [found for found, _ in bound], n=1)
    return InvalidInputError(
        f"there is no `{name}` in `{path}`",
        detail=f"functions there: {_some(functions)}" if functions else "it has no function",
        hint=f"did you mean `{close[0]}`"
        if close
        else "name the function that Lambda calls: def handler(event, context)",
        input_name="handler",
    )


def _bindings(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The names that a module binds, and where; a name may come more than once."""
    for node in _module_level(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0], node
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                yield name, node


def _module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """All that runs when the module is imported, outermost first."""
    waiting: deque[ast.AST] = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        # An annotation alone binds nothing.
        if not isinstance(node, _SCOPES) and not (isinstance(node, ast.AnnAssign) and node.value is None):
            waiting.extend(ast.iter_child_nodes(node))


def _is_open(tree: ast.Module, name: str) -> bool:
    """Whether a module may have names that its text does not show, or this one."""
    return any(_may_bind(node, name) for node in ast.walk(tree))


def _may_bind(node: ast.AST, name: str) -> bool:
    match node:
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            return True
        case ast.Global(names=names):
            return name in names
        case ast.Name(id=used):
            return used in _NAMESPACES
        # By sys.modules[__name__] a module reaches itself.
        case ast.Attribute(attr="modules"):
            return True
    return False


def _lambdas_form(asked: _Asked) -> str:
    form = ".".join((*asked.module, asked.name))
    if len(form) > _HANDLER_LIMIT or any(character.isspace() for character in form):
        raise InvalidInputError(
            f"`{form}` is no handler that Lambda takes",
            hint=f"it has at most {_HANDLER_LIMIT} characters, and no blanks: rename the file or its folders",
            input_name=asked.input_name,
        )
    return form
