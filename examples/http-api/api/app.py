"""A FastAPI application; Mangum makes requests of Lambda's events."""

import fastapi
from mangum import Mangum

app = fastapi.FastAPI()


@app.get("/hello/{name}")
def hello(name: str) -> dict[str, str]:
    """Say hello, and which FastAPI answers."""
    return {"hello": name, "fastapi": f"{fastapi.__version__} from {fastapi.__file__}"}


handler = Mangum(app, lifespan="off")
