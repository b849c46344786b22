"""What schemathesis has to be told of this service: who asks, how documents are written, which ids there are.

Loaded by .ci/contract (SCHEMATHESIS_HOOKS). With CONTRACT_KEYS, a folder with an API key for each role, every request is
made by a role that may make it, as fixtures/routes.txt has it; without, by nobody.
"""

import os
import pathlib
import random

import schemathesis

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEYS = os.environ.get("CONTRACT_KEYS")
ROLE = os.environ.get("CONTRACT_ROLE")


def _roles():
    """(method, path) -> the roles that may use it."""
    found = {}
    for line in (ROOT / "fixtures/routes.txt").read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        method, path, *who = line.split()
        found[(method, path)] = [role for role in who if "_" in role or role in ("auditor", "verifier", "viewer")]
    return found


ROLES = _roles()


def _key(role):
    return (pathlib.Path(KEYS) / role).read_text().strip()


@schemathesis.auth(refresh_interval=None)
class Officer:
    """The key of a role that may use the route."""

    def get(self, case, context):
        if not KEYS:
            return None
        if ROLE:
            return _key(ROLE)
        may = ROLES.get((case.operation.method.upper(), case.operation.path)) or ["seal_operator"]
        return _key(may[0])

    def set(self, case, data, context):
        if data:
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"


# `seal seal_… seal_…`: what exists, by the name of its parameter.
IDS = {}
if os.environ.get("CONTRACT_IDS"):
    for line in pathlib.Path(os.environ["CONTRACT_IDS"]).read_text().splitlines():
        name, *ids = line.split()
        IDS[name] = ids


def _known(values):
    """Puts ids that exist in the place of made-up ones, three times in four; by the value, so that a seed repeats."""
    if not isinstance(values, dict):
        return values
    for name, ids in IDS.items():
        dice = random.Random(repr((name, values.get(name))))
        if isinstance(values.get(name), str) and dice.random() < 0.75:
            values[name] = dice.choice(ids)
    return values


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return _known(path_parameters)


@schemathesis.hook
def map_query(context, query):
    return _known(query)


@schemathesis.hook
def map_body(context, body):
    return _known(body)


DOCUMENTS = [
    (ROOT / "fixtures/pdf/one-page.pdf").read_bytes(),
    (ROOT / "fixtures/pdf/many-pages.pdf").read_bytes(),
    b"%PDF-1.7\n",
    b"",
]


@schemathesis.serializer("application/pdf")
def pdf(ctx, value):
    # One of the documents, by the value that was made up, so that the same seed sends the same.
    return DOCUMENTS[random.Random(repr(value)).randrange(len(DOCUMENTS))]


# RFC 3161: version 1, an imprint by SM3, a nonce, and the certificate asked for.
QUERY = bytes.fromhex(
    "303f020101302f300b06092a811ccf55018311010420"
    "0000000000000000000000000000000000000000000000000000000000000000"
)


@schemathesis.serializer("application/timestamp-query")
def timestamp_query(ctx, value):
    return QUERY if random.Random(repr(value)).random() < 0.5 else str(value).encode("utf-8", "replace")
