"""The real parts for the tests in this folder: Pulumi's engine, a container engine, an AWS emulator.

Stacks, caches and the build image are of this run alone, so that runs side by side see nothing of each other.

To measure the provider's processes too, coverage needs `patch = ["subprocess"]` in `[tool.coverage.run]` and nothing
here: the engine ends them with SIGINT, on which Pulumi's server returns and Python ends as usual, with its data saved.
"""

import gc
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import boto3
import docker
import pytest
from docker.models.containers import Container

from python_layer_provider.build.container import OWNER_LABEL
from python_layer_provider.target import DEFAULT_IMAGE
from tests.engine.servers import Gate, Shelf, gate, shelf
from tests.engine.stacks import REGION, Aws, LayerStack, new_project
from tools.container_engine import connect
from tools.function_image import function_image as make_function_image
from tools.invocation import Invoker
from tools.parts import DEFAULT_PYTHON, RealParts, real_parts


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave aside what docker and Pulumi's automation forget to close or to wait for: it is not ours to close."""
    item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
    item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


class Containers:
    """The container engine, looked at from beside the stack."""

    def __init__(self, client: docker.DockerClient, template: str) -> None:
        self.client = client
        self.template = template
        """The build image of this run, as the setting that names a mirror."""

    @property
    def image(self) -> str:
        return self.template.replace("{python}", DEFAULT_PYTHON)

    @property
    def gateway(self) -> str:
        """This machine's address, seen from a container."""
        return str(self.client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])

    def builds(self) -> list[Container]:
        """The builds of this run that are under way or left over."""
        return self.client.containers.list(all=True, filters={"label": OWNER_LABEL, "ancestor": self.image})

    def forget_pip_cache(self) -> None:
        """Remove the volume in which pip keeps what it has downloaded and built."""
        short = str(self.client.images.get(self.image).id).rpartition(":")[2][:12]
        for volume in self.client.volumes.list(filters={"label": OWNER_LABEL, "name": short}):
            volume.remove()


@pytest.fixture(scope="session")
def parts() -> Iterator[RealParts]:
    with real_parts() as found:
        yield found


@pytest.fixture(scope="session")
def containers(parts: RealParts) -> Iterator[Containers]:
    """The engine, with a build image that nobody else builds in; when all is done, nothing of ours is in it."""
    client = connect(parts.docker_host, timeout=60)
    repository = f"python-layer-tests-{uuid.uuid4().hex[:8]}"
    found = Containers(client, f"{repository}:{{python}}")
    original = (parts.image_template or DEFAULT_IMAGE).replace("{python}", DEFAULT_PYTHON)
    container = client.containers.create(original.replace("{architecture}", "x86_64"), ["true"])
    # The label makes it another image, with another id.
    container.commit(repository, DEFAULT_PYTHON, changes=f"LABEL run={repository}")
    container.remove()
    try:
        yield found
        assert found.builds() == []
    finally:
        found.forget_pip_cache()
        client.images.remove(found.image)
        client.close()


@pytest.fixture(scope="session")
def settings(parts: RealParts, containers: Containers, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of stacks and of programs."""
    folder = tmp_path_factory.mktemp("home")
    environment = parts.environment(folder, region=REGION)
    # A company's proxy has no way to this machine's bridge.
    bypass = ",".join(filter(None, [environment.get("NO_PROXY"), containers.gateway]))
    return {
        **environment,
        "NO_PROXY": bypass,
        "no_proxy": bypass,
        "PYTHON_LAYER_IMAGE": containers.template,
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.fixture(scope="module", autouse=True)
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Be a person whose environment is set up: the inline program sees it, and so do all processes."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(settings)
    yield
    os.environ.clear()
    os.environ.update(before)
    # While the filter for what they leave is in force.
    gc.collect()


@pytest.fixture(autouse=True)
def program_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Programs run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], LayerStack]:
    return lambda: LayerStack(new_project("life"), tmp_path_factory.mktemp("work"))


@pytest.fixture
def stack(new_stack: Callable[[], LayerStack]) -> LayerStack:
    return new_stack()


@pytest.fixture(scope="session")
def aws() -> Aws:
    return Aws()


@pytest.fixture
def wheels(tmp_path: Path, containers: Containers) -> Iterator[Shelf]:
    """Wheels that no index has."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    with shelf(folder, containers.gateway) as found:
        yield found


@pytest.fixture
def before_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate that calls to AWS pass, the tests' own included."""
    with gate(os.environ["AWS_ENDPOINT_URL"]) as (url, found):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield found
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)


@pytest.fixture(scope="session")
def function_image(parts: RealParts, containers: Containers) -> str:
    """An image that runs functions as Lambda does."""
    build_image = (parts.image_template or DEFAULT_IMAGE).replace("{python}", DEFAULT_PYTHON)
    return make_function_image(containers.client, DEFAULT_PYTHON, build_image.replace("{architecture}", "x86_64"))


@pytest.fixture(scope="session")
def invoke(parts: RealParts, settings: Mapping[str, str], containers: Containers, function_image: str) -> Invoker:
    """Runs functions whose code and layers this run has packed."""
    client = boto3.client(
        "lambda",
        region_name=REGION,
        endpoint_url=parts.aws.endpoint,
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    return Invoker(containers.client, function_image, client, Path(settings["XDG_CACHE_HOME"]))
