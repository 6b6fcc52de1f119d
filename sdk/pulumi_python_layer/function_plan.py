"""What the arguments of a `PythonFunction` come to, with all that is wrong with them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, cast

import pulumi

from pulumi_python_layer.function_args import PythonFunctionArgs
from pulumi_python_layer.layer import PythonLayer
from python_layer_provider import at_cold_start
from python_layer_provider.build import pip_at_indexes
from python_layer_provider.build.cache import code_folder
from python_layer_provider.code import CodeArchive, pack_code
from python_layer_provider.errors import InputError, InvalidInputError
from python_layer_provider.estimate import estimated_size
from python_layer_provider.handler import check_handler
from python_layer_provider.limits import UNZIPPED_LIMIT
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import LayerPlan, lock_warnings, make_plan
from python_layer_provider.planning import plan_layer
from python_layer_provider.project_files import repository
from python_layer_provider.target import DEFAULT_ARCHITECTURE, DEFAULT_RUNTIME, Target

_T = TypeVar("_T")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_LAYERS_LIMIT = 5
_DEPENDENCIES = ("layer", "code", "at-cold-start", "none")


class FunctionPlan:
    """What the arguments come to, with all that is wrong with them found at once."""

    def __init__(self, name: str, given: PythonFunctionArgs) -> None:
        self._name = name
        self.given = given
        self._problems: list[str] = []
        self.warnings: list[str] = []
        for key in given:
            self._try(lambda key=key: _check_known(key))  # type: ignore[misc]
        self.entry = self._try(lambda: _entry(given))
        self.target = self._try(
            lambda: Target.of(given.get("runtime", DEFAULT_RUNTIME), given.get("architecture", DEFAULT_ARCHITECTURE))
        )
        self.handler = self._try(self._check_handler) if self.entry else None
        self.how = given.get("dependencies", "layer")
        self._try(self._check_dependencies)
        self.locked = self._try(self._plan_dependencies) if self.entry and self.target else None
        """What the function carries or installs itself, where no layer does."""
        self.code = self._try(self._pack) if self.entry else None
        self._refuse()

    def check_layers(self, own: PythonLayer | None) -> None:
        """See that all layers together are what Lambda takes, as far as that is known in preview."""
        layers = [*([own] if own else []), *self.given.get("layers", ())]
        if len(layers) > _LAYERS_LIMIT:
            self._problems.append(
                f"`layers`: {len(layers)} layers, the function's own among them; Lambda takes {_LAYERS_LIMIT}\n"
                "hint: lock what belongs together in one layer [PYL-INPUT-INVALID]"
            )
        known = [layer for layer in layers if isinstance(layer, PythonLayer)]
        self._problems.extend(_misfits(known, self.target))
        self._problems.extend(self._too_large(known, all_known=len(known) == len(layers)))
        self._refuse()

    def _too_large(self, layers: Sequence[PythonLayer], *, all_known: bool) -> Iterator[str]:
        sizes = [estimated_size(layer.plan) if layer.plan else None for layer in layers]
        carried = estimated_size(self.locked) if self.locked and self.how == "code" else 0
        total = sum(size or 0 for size in (*sizes, carried)) + (self.code.unpacked_size if self.code else 0)
        if total > UNZIPPED_LIMIT:
            least = "about" if all_known and None not in (*sizes, carried) else "at least about"
            yield (
                f"`layers`: the function and its layers take {least} {total / 1e6:.0f} MB unzipped; "
                f"Lambda takes {UNZIPPED_LIMIT / 1e6:.0f} MB\n"
                "hint: leave out what is not needed at run time [PYL-INPUT-INVALID]"
            )

    def _check_handler(self) -> str:
        index, handler = self.given.get("index", "index.py"), self.given.get("handler", "handler")
        exclude = self.given.get("exclude", ())
        return check_handler(cast("Path", self.entry), index, handler, target=self.target, exclude=exclude)

    def _pack(self) -> CodeArchive:
        exclude = self.given.get("exclude", ())
        return pack_code(cast("Path", self.entry), code_folder(), exclude=exclude, generated=self._generated())

    def _generated(self) -> dict[str, bytes]:
        """The files by which the function installs its dependencies itself."""
        if not (self.how == "at-cold-start" and self.locked and self.handler):
            return {}
        modules = [Path(__file__).with_name("cold_start.py"), Path(pip_at_indexes.__file__)]
        found = {f"{at_cold_start.FOLDER}/{module.name}": module.read_bytes() for module in modules}
        return {**found, **at_cold_start.carried(self.locked, self.handler)}

    def _plan_dependencies(self) -> LayerPlan | None:
        """What the function carries beside its code, or installs when it starts."""
        if self.how not in ("code", "at-cold-start"):
            return None
        given, target = self.given, cast("Target", self.target)
        lockfile = read_lockfile(
            given.get("requirements") or os.fspath(given["entry"]),
            base=Path.cwd(),
            environ=os.environ,
            groups=given.get("groups", ()),
            extras=given.get("extras", ()),
        )
        strict, omit = given.get("strict", False), given.get("omit_runtime_packages", False)
        if self.how == "at-cold-start":
            plan = make_plan(lockfile, target, strict=strict, omit_runtime_packages=omit)
            self.warnings += [*_cold_start_warnings(plan, given), *lock_warnings(lockfile, plan)]
            return plan
        planned = plan_layer(
            lockfile,
            target,
            base=Path.cwd(),
            strict=strict,
            omit_runtime_packages=omit,
            max_size=given.get("max_size"),
            in_bucket=True,
        )
        self.warnings += planned.warnings
        return planned.plan

    def _check_dependencies(self) -> None:
        how = self.how
        if how not in _DEPENDENCIES:
            known = ", ".join(f'"{one}"' for one in _DEPENDENCIES)
            raise InvalidInputError(f"`dependencies` is `{how}`", hint=f"use one of {known}", input_name="dependencies")
        if how == "code" and not self.given.get("s3_bucket"):
            raise InvalidInputError(
                'dependencies="code" needs a bucket, where every machine finds the package that one has built',
                hint='s3_bucket="a-bucket-in-the-same-region", or dependencies="layer"',
                input_name="s3_bucket",
            )

    def _try(self, make: Callable[[], _T]) -> _T | None:
        try:
            return make()
        except InputError as error:
            where = f"`{error.input_name}`: " if error.input_name else ""
            self._problems.append(f"{where}{error}")
            return None

    def _refuse(self) -> None:
        if self._problems:
            raise pulumi.RunError("\n".join([f"PythonFunction `{self._name}`:", *self._problems]))


def _check_known(key: str) -> None:
    known = PythonFunctionArgs.__annotations__
    if key not in known:
        close = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean `{close[0]}`" if close else "it takes the arguments of aws.lambda_.Function and its own"
        raise InvalidInputError("there is no such argument", hint=hint, input_name=key)


def _entry(given: PythonFunctionArgs) -> Path:
    entry = given.get("entry")
    if not entry:
        raise InvalidInputError("the folder with the handler is missing", hint='entry="app"', input_name="entry")
    base, path = Path.cwd().resolve(), Path(entry)
    place = (base / path).resolve()
    if not place.is_dir():
        raise InvalidInputError(
            f"no such folder: `{os.fspath(entry)}`", hint=f"relative paths start at `{base}`", input_name="entry"
        )
    project = repository(base)
    if not place.is_relative_to(project):
        raise InvalidInputError(
            f"`{os.fspath(entry)}` is outside of the project `{project}`",
            hint="what is there may change without anybody's review: move it into the project",
            input_name="entry",
        )
    return place


def _cold_start_warnings(plan: LayerPlan, given: PythonFunctionArgs) -> Iterator[str]:
    """What a person should know of a function that installs its dependencies itself.

    Raises:
        InputError: It cannot.
    """
    at_cold_start.check_travels(plan)
    storage = _storage(given)
    if storage is not None:
        at_cold_start.check_space(plan, storage)
    yield at_cold_start.warning(plan)


def _storage(given: PythonFunctionArgs) -> int | None:
    """MB that the function has in /tmp; None where that is only known later."""
    storage = given.get("ephemeral_storage")
    if storage is None:
        return at_cold_start.DEFAULT_STORAGE
    # Asked for an attribute, an output makes another one of it, which fails where it is a dictionary.
    if isinstance(storage, pulumi.Output):
        return None
    size = storage.get("size") if isinstance(storage, Mapping) else getattr(storage, "size", None)
    return size if isinstance(size, int) else None


def _misfits(layers: Sequence[PythonLayer], target: Target | None) -> Iterator[str]:
    """Layers that are built for another target than the function's."""
    for layer in layers:
        built = layer.plan.target if layer.plan else None
        if built and target and built != target:
            yield (
                f"`layers`: the layer `{layer.pulumi_resource_name}` is built for {built.runtime} on "
                f"{built.architecture}, the function runs {target.runtime} on {target.architecture}\n"
                "hint: give both the same runtime and architecture [PYL-INPUT-INVALID]"
            )
