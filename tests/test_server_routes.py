"""The server's healthy routes, their parameters, and what it refuses."""

import json

import httpx
import pytest
from starlette.routing import Mount

from server.app import create_app
from server.params import MAX_BYTES, MAX_PIECES, MAX_SECONDS

CAPS = {
    "seconds": MAX_SECONDS,
    "gap": MAX_SECONDS,
    "size": MAX_BYTES,
    "sent": MAX_BYTES,
    "missing": MAX_BYTES,
    "pieces": MAX_PIECES,
    "nth": MAX_PIECES,
    "n": MAX_PIECES,
    "lines": 100_000,
    "broken": MAX_PIECES,
    "edited": MAX_PIECES,
    "code": 599,
    "probability": 1,
    "seed": 2**32 - 1,
}


def all_routes(routes=None, prefix=""):
    """Yield path and route of each route of the application, those below a mount included."""
    for route in create_app().routes if routes is None else routes:
        if isinstance(route, Mount):
            yield from all_routes(route.routes, prefix + route.path)
        else:
            yield prefix + route.path, route


ROUTES = dict(all_routes())
# `/echo` says what came, so anything may; `/gates/{name}` takes its parameter from the path.
FREE = {"/echo", "/gates/{name}"}
WITH_PARAMETERS = [
    path
    for path, route in ROUTES.items()
    if hasattr(route.endpoint, "params") and route.endpoint.params.model_fields
]


def parameters(path):
    """Yield name and JSON schema of each parameter of a route."""
    for name, schema in ROUTES[path].endpoint.params.model_json_schema()["properties"].items():
        yield name, {**schema, **schema.get("anyOf", [{}])[0]}


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url, timeout=30, verify=False) as client:
        yield client


# Parameters


def bad_values(schema):
    """Values that a parameter of this kind must refuse."""
    if "enum" in schema:
        return ["", "other", schema["enum"][0].upper()]
    if schema["type"] == "string":
        return ["", "two words", "a/b", "ä", "x" * 41, "line\n"]
    values = ["", "abc", "0x1", "1,5", "nan", "NaN", "inf", "-inf", "Infinity", "1e400", "9" * 5000]
    low, high = schema["minimum"], schema["maximum"]
    if schema["type"] == "integer":
        return [*values, "0.5", str(low - 1), str(high + 1)]
    return [*values, str(low - 0.001), str(high + 0.001)]


@pytest.mark.parametrize("path", WITH_PARAMETERS)
def test_bad_value_is_refused_by_name(client, path):
    for name, schema in parameters(path):
        for value in bad_values(schema):
            response = client.get(path, params={name: value})
            assert response.status_code == 422, (name, value)
            [problem] = response.json()["problems"]
            assert problem["parameter"] == name
            assert problem["got"] == value
            assert problem["allowed"].startswith(schema["description"])


@pytest.mark.parametrize("path", WITH_PARAMETERS)
def test_parameter_given_twice_is_refused(client, path):
    for name, _ in parameters(path):
        response = client.get(path, params=[(name, "1"), (name, "2")])
        assert response.status_code == 422
        assert response.json()["problems"] == [
            {"parameter": name, "got": ["1", "2"], "allowed": "one value"}
        ]


def test_each_number_has_a_floor_and_a_cap():
    for path in WITH_PARAMETERS:
        for name, schema in parameters(path):
            if schema["type"] == "string":
                assert "enum" in schema or "pattern" in schema, (path, name)
            else:
                assert schema["minimum"] >= 0, (path, name)
                assert schema["maximum"] <= CAPS[name], (path, name)


def test_unknown_parameter_is_refused_by_name(client):
    for path in ROUTES.keys() - FREE:
        response = client.get(path, params={"secnods": "1"})
        assert response.status_code == 422, path
        [problem] = response.json()["problems"]
        assert (problem["parameter"], problem["got"]) == ("secnods", "1")
        for name in ROUTES[path].endpoint.params.model_fields:
            assert name in problem["allowed"]


def test_every_problem_is_named_at_once(client):
    response = client.get("/drip", params={"pieces": 0, "gap": 31, "other": 1})
    assert {p["parameter"] for p in response.json()["problems"]} == {"pieces", "gap", "other"}


def test_caps_are_the_documented_ones(client):
    assert (MAX_SECONDS, MAX_BYTES, MAX_PIECES) == (30, 32 * 1024 * 1024, 1000)
    assert len(client.get("/bytes", params={"size": MAX_BYTES}).content) == MAX_BYTES
    assert client.get("/bytes", params={"size": MAX_BYTES + 1}).status_code == 422
    assert len(client.get("/drip", params={"pieces": MAX_PIECES, "gap": 0}).content) == MAX_PIECES


@pytest.mark.parametrize(
    ("query", "got"),
    [
        ({"pieces": 1000, "gap": 1}, "1"),
        ({"pieces": 3, "gap": 15.1}, "15.1"),
        ({"pieces": 500}, 0.1),
    ],
)
def test_pauses_of_a_drip_are_capped_together(client, query, got):
    response = client.get("/drip", params=query)
    assert response.status_code == 422
    [problem] = response.json()["problems"]
    assert (problem["parameter"], problem["got"]) == ("gap", got)
    assert "together 30 at most" in problem["allowed"]


def test_bad_gate_name_is_refused(client):
    for name in ("two%20words", "x" * 41, "%C3%A4"):
        response = client.post(f"/gates/{name}")
        assert response.status_code == 422
        assert response.json()["problems"][0]["parameter"] == "gate"


# Healthy routes


def test_index_says_what_there_is(client):
    routes = client.get("/").json()["routes"]
    assert routes.keys() == ROUTES.keys()
    assert all(route["what"] for route in routes.values())
    assert "from 0 to 30, by default 0.1" in routes["/delay"]["parameters"]["seconds"]


def test_unknown_path_lists_what_exists(client):
    for path in ("/nope", "/faults/nope", "/faults", "/gates/", "/delay/"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json()["error"] == f"no such path: {path}"
        assert response.json()["routes"].keys() == ROUTES.keys()


def test_wrong_method_is_told_the_right_ones(client):
    response = client.delete("/bytes")
    assert response.status_code == 405
    assert response.headers["allow"]
    assert response.json() == {"error": "DELETE is not allowed here", "allowed": "GET, HEAD"}


def test_echo_says_what_arrived(client):
    sent = {"a": [1, None, "ä"]}
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        said = client.request(method, "/echo", headers={"X-Mine": "1"}, json=sent).json()
        assert said["method"] == method
        assert said["headers"]["x-mine"] == "1"
        assert said["headers"]["content-type"] == "application/json"
        assert said["body_length"] == int(said["headers"]["content-length"])
        assert said["json"] == sent


NO_JSON = [
    b"",
    b"plain",
    b"\xff\xfe\x00",
    b'"\xff"',
    b"NaN",
    b'{"a": Infinity}',
    b'"\\ud800"',
    b"[" * 100_000,
    b"1" * 10_000,
]


def test_echo_of_what_is_no_json(client):
    for body in NO_JSON:
        response = client.post("/echo", content=body)
        assert response.status_code == 200, body[:20]
        assert response.json()["body_length"] == len(body)
        assert response.json()["json"] is None


def test_echo_of_a_chunked_body(client):
    said = client.post("/echo", content=iter([b"[1,", b"2]"])).json()
    assert said["headers"]["transfer-encoding"] == "chunked"
    assert (said["body_length"], said["json"]) == (5, [1, 2])


def test_head_has_no_body(client):
    for path in (
        "/",
        "/echo",
        "/bytes?size=100",
        "/drip?gap=0",
        "/status?code=418",
        "/delay?seconds=0",
    ):
        response = client.head(path)
        assert response.content == b""
        assert response.status_code == (418 if "418" in path else 200)
    assert client.head("/bytes?size=100").headers["content-length"] == "100"


def test_body_up_to_the_cap_is_taken_and_a_longer_one_refused(server, client):
    most = b"x" * MAX_BYTES
    assert client.post("/echo", content=most).json()["body_length"] == MAX_BYTES
    for content in (most + b"x", iter([most, b"x"])):
        response = client.post("/echo", content=content)
        assert response.status_code == 413
        assert response.json() == {"error": "body too long", "allowed": "up to 33554432 bytes"}
    assert client.get("/echo").status_code == 200


def test_delay_waits(server, client):
    with server.ledger.watch() as seen:
        assert client.get("/delay", params={"seconds": 0.2}).json() == {"delayed_seconds": 0.2}
    request, response = [e for e in seen.events if e.kind in ("request", "response")]
    assert 0.2 <= response.time - request.time < 10


def test_drip_comes_in_pieces(client):
    with client.stream("GET", "/drip", params={"pieces": 4, "gap": 0.05, "size": 3}) as response:
        pieces = list(response.iter_raw())
    assert pieces == [b"xxx"] * 4


def test_bytes_has_the_size(client):
    for size in (0, 1, 100_000):
        response = client.get("/bytes", params={"size": size})
        assert response.content == b"x" * size
        assert response.headers["content-length"] == str(size)


def test_status(client):
    for code in [200, 204, 302, 304, 599, *range(201, 599, 13)]:
        response = client.get("/status", params={"code": code})
        assert response.status_code == code
        if code in (204, 304):
            assert response.content == b""
        else:
            assert response.json() == {"status": code}


def test_ledger_as_json(server):
    with httpx.Client(base_url=server.url, verify=False) as client:
        assert client.get("/echo", params={"a": "1"}).status_code == 200
        said = client.get("/ledger").json()
    echo, echoed, asked = said["events"][-3:]
    assert (echo["kind"], echo["method"], echo["path"], echo["query"]) == (
        "request",
        "GET",
        "/echo",
        "a=1",
    )
    assert (echoed["kind"], echoed["status"]) == ("response", 200)
    assert (asked["kind"], asked["path"], asked["nth"]) == ("request", "/ledger", 2)
    assert said["totals"]["events"] == said["events"][-1]["seq"]
    json.dumps(said, allow_nan=False)
