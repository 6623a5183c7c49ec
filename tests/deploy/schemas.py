"""Makes tests/deploy/schemas, one JSON Schema a kind that deploy/kubernetes uses. By hand, when a kind or a version is
added; the check (tests/deploy/check.py) needs only the result.

    python3 -m venv /tmp/schemas && /tmp/schemas/bin/pip install kubernetes-validate==1.37.0 \
        cloudcoil-models-keda==2.16.1.0 cloudcoil-models-prometheus-operator==0.80.1.0
    /tmp/schemas/bin/python tests/deploy/schemas.py

Kubernetes' own kinds are those of the oldest version that the manifests are for; KEDA's and the operator's are made of
the custom resource definitions of the versions named above. What is kept: names, types, required, limits. What is closed:
every object whose fields are known, so that a field that does not exist is refused. All of it is Apache-2.0, as we are.
"""

import json
import pathlib

import kubernetes_validate
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor

KUBERNETES = "v1.30.0"
KINDS = {
    "apps/v1": ["Deployment"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["Ingress", "NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "v1": ["ConfigMap", "Namespace", "Service", "ServiceAccount"],
}
PROSE = {"description", "title", "default", "x-kubernetes-group-version-kind"}
FOLDER = pathlib.Path(__file__).parent / "schemas"
STRICT = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"{KUBERNETES}-local-strict"
DEFINITIONS = json.loads((STRICT / "_definitions.json").read_text())["$defs"]
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def plain(node, names=False):
    """Without prose and without null; `names` says that the keys here are names of fields and not words of the schema."""
    if isinstance(node, list):
        return [plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if not names and (key in PROSE or key.startswith("x-kubernetes-") or (key == "format" and value != "int-or-string")):
            continue
        if not names and key == "$ref":
            value = "#/$defs/" + value.rsplit("/", 1)[1]
        kept[key] = plain(value, names=not names and key in ("properties", "$defs"))
    if names:
        return kept
    if isinstance(kept.get("type"), list):
        types = [each for each in kept["type"] if each != "null"]
        kept["type"] = types[0] if len(types) == 1 else types
    if "anyOf" in kept:
        some = [each for each in kept.pop("anyOf") if each != {"type": "null"}]
        kept |= some[0] if len(some) == 1 else {"anyOf": some}
    if "properties" in kept:
        kept["additionalProperties"] = False
    return kept


def referenced(node):
    if isinstance(node, list):
        return {name for each in node for name in referenced(each)}
    if not isinstance(node, dict):
        return set()
    here = {node["$ref"].rsplit("/", 1)[1]} if isinstance(node.get("$ref"), str) else set()
    return here | {name for each in node.values() for name in referenced(each)}


def write(api, kind, schema, definitions):
    schema = plain(schema)
    schema.pop("$defs", None)
    schema["properties"].pop("status", None)
    schema["properties"] |= {"apiVersion": {"const": api}, "kind": {"const": kind}, "metadata": {"$ref": f"#/$defs/{METADATA}"}}
    schema["required"] = sorted({"apiVersion", "kind", "metadata", *schema.get("required", [])})
    wanted, found = referenced(schema), {}
    while wanted - found.keys():
        for name in wanted - found.keys():
            found[name] = plain(definitions.get(name) or DEFINITIONS[name])
            wanted |= referenced(found[name])
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": found, **schema}
    lines = json.dumps(schema, sort_keys=True, separators=(",", ":")).replace('},"', '},\n"')
    (FOLDER / f"{kind}.json").write_text(lines + "\n")


FOLDER.mkdir(exist_ok=True)
for api, kinds in KINDS.items():
    group = "" if api == "v1" else "-" + api.split(".")[0].split("/")[0]
    for kind in kinds:
        write(api, kind, json.loads((STRICT / f"{kind.lower()}{group}-v1.json").read_text()), DEFINITIONS)
for api, model in [("keda.sh/v1alpha1", ScaledObject), ("monitoring.coreos.com/v1", ServiceMonitor)]:
    schema = model.model_json_schema(by_alias=True)
    own = {name: definition for name, definition in schema["$defs"].items() if name != "ObjectMeta"}
    write(api, model.__name__, schema, own)
