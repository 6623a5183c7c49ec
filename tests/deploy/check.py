"""Holds rendered manifests against the schemas beside this file, and against the worker: its routes, its configuration,
its metrics. Then breaks them in ways that are known, one by one, and fails unless each is found.

Usage: check.py FOLDER, with one rendered file a kustomization; needs the packages jsonschema and PyYAML, and in
JOIN_COMMUNITY the program, which reads each pod's configuration as it would in the pod.
"""

import copy
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema
import yaml

from keys import DEFAULTS, HIDDEN, PREFIX, SECRETS, key_of

HERE = pathlib.Path(__file__).parent
ROUTES = set(re.findall(r'\.route\("(/[^"{]*)"', pathlib.Path("src/console/server.rs").read_text()))
METRICS = set(re.findall(r"^\| `(join_community_\w+)`", pathlib.Path("docs/metrics.md").read_text(), re.M))
PAGE = pathlib.Path("docs/deployment.md").read_text()
BROKEN = json.loads((HERE / "broken.json").read_text())
BAD_CONFIGURATION = 78


@functools.cache
def schema(kind):
    file = HERE / "schemas" / f"{kind}.json"
    return jsonschema.Draft202012Validator(json.loads(file.read_text())) if file.exists() else None


def shaped(thing):
    """What the schema of its kind says: a field that does not exist, is missing, or has the wrong type."""
    kind = thing.get("kind")
    if schema(kind) is None:
        return [f"no schema is kept for kind {kind}: tests/deploy/schemas.py makes one"]
    return [f"{kind}: {error.json_path}: {error.message[:200]}" for error in schema(kind).iter_errors(thing)]


def pod(thing):
    return thing["spec"]["template"]["spec"] if thing["kind"] in ("Deployment", "Job") else None


def of(things, kind):
    return [thing for thing in things if thing["kind"] == kind]


def environment(container, things):
    """What the container's environment holds (None: what a Secret does), and what it refers to that is not there."""
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of(things, "ConfigMap")}
    held, wrong = {}, []
    for source in container.get("envFrom", []):
        name = source.get("configMapRef", {}).get("name")
        if name not in maps:
            wrong.append(f"envFrom names ConfigMap {name}, which is not rendered")
        held |= maps.get(name, {})
    spelt = [*held.items(), *((each["name"], each.get("value")) for each in container.get("env", []))]
    for name, value in spelt:
        key = key_of(name)
        if value and key in SECRETS:
            wrong.append(f"{name} holds a secret: name its file instead")
        if value and key in HIDDEN:
            wrong.append(f"{name} may hold a secret: take it from one by valueFrom.secretKeyRef")
    for each in container.get("env", []):
        source = each.get("valueFrom", {}).get("secretKeyRef")
        if source and f"`{source['key']}`" not in PAGE:
            wrong.append(f"docs/deployment.md does not say what key {source['key']} of Secret {source['name']} holds")
        held[each["name"]] = None if source else each.get("value", "")
    wrong += [f"{name} is none of the worker's variables" for name in held if not name.startswith(PREFIX)]
    return held, wrong


def setting(held, section, key):
    return held.get(f"{PREFIX}{section}__{key}".upper(), str(DEFAULTS[section][key]))


def hardened(spec, container):
    own, shared = container.get("securityContext", {}), spec.get("securityContext", {})
    rules = {
        "runs as somebody else than root": shared.get("runAsNonRoot") is True and shared.get("runAsUser", 0) > 0,
        "has a root file system that is read only": own.get("readOnlyRootFilesystem") is True,
        "cannot gain privileges": own.get("allowPrivilegeEscalation") is False,
        "has no capabilities": own.get("capabilities", {}).get("drop") == ["ALL"] and "add" not in own["capabilities"],
        "has the default seccomp profile": shared.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "has no token of Kubernetes": spec.get("automountServiceAccountToken") is False,
        "has a limit of memory": "memory" in container.get("resources", {}).get("limits", {}),
    }
    return [f"not true: the pod {rule}" for rule, holds in rules.items() if not holds]


def configured(container, spec, held):
    """The program reads the configuration that the pod would have, its mounted secrets from files of our own."""
    with tempfile.TemporaryDirectory() as folder:
        mounted, wrong = {}, []
        for mount in container.get("volumeMounts", []):
            secret = next(each for each in spec["volumes"] if each["name"] == mount["name"]).get("secret", {})
            for item in secret.get("items", []):
                mounted[f"{mount['mountPath']}/{item['path']}"] = item["key"]
                if f"`{item['key']}`" not in PAGE:
                    wrong.append(f"docs/deployment.md does not say what key {item['key']} of Secret {secret['secretName']} holds")
        given = {}
        for name, value in held.items():
            if value is None:
                continue
            if name.endswith("_FILE"):
                if value not in mounted:
                    wrong.append(f"{name} names {value}, which is not mounted")
                    continue
                section, key = name.removeprefix(PREFIX).removesuffix("_FILE").lower().split("__")
                # The default is a URL of the right kind, where it is one.
                file = pathlib.Path(folder, mounted[value])
                file.write_text(DEFAULTS.get(section, {}).get(key) or "a secret")
                value = str(file)
            given[name] = value
        ran = subprocess.run([os.environ["JOIN_COMMUNITY"], "contract", "export"], env=given, capture_output=True, text=True)
        if ran.returncode != 0:
            expected = "refuses the configuration" if ran.returncode == BAD_CONFIGURATION else f"ended with {ran.returncode}"
            wrong.append(f"the program {expected}: {ran.stderr.strip()[:300]}")
        return wrong


def serves(thing, container, held):
    """Ports, probes and the time to stop."""
    wrong = []
    ports = {each["name"]: each["containerPort"] for each in container.get("ports", [])}
    address, listens = setting(held, "http", "listen").rsplit(":", 1)
    if ports != {"http": int(listens)} or address != "0.0.0.0":
        wrong.append(f"ports {ports} are not those of http.listen = {address}:{listens}")
    for probe, path in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
        asks = container.get(probe, {}).get("httpGet", {})
        if asks != {"path": path, "port": "http"} or path not in ROUTES:
            wrong.append(f"{probe} asks {asks}, not {path} at port http")
    grace = re.fullmatch(r"(\d+)s", setting(held, "shutdown", "grace"))
    patience = pod(thing).get("terminationGracePeriodSeconds", 30)
    if not grace or patience < int(grace[1]) + 5:
        wrong.append(f"terminationGracePeriodSeconds {patience} is not 5 s above shutdown.grace {setting(held, 'shutdown', 'grace')}")
    return wrong


def called(held):
    """Where the worker calls by HTTP: the key that says so, and the port. What a Secret holds is taken for https://."""
    for section, key in [("auth", "jwks"), ("http", "oidc_issuer"), ("otlp", "endpoint"), ("webhooks", "targets")]:
        value = setting(held, section, key)
        for url in ["https://"] if value is None else re.findall(r"""https?://[^\s"',\]}]+""", value):
            parts = urllib.parse.urlsplit(url)
            yield f"{section}.{key}", parts.port or {"http": 80, "https": 443}[parts.scheme]


def lets_out(policy, port):
    def covers(each):
        first = each.get("port", port)
        return each.get("protocol", "TCP") == "TCP" and isinstance(first, int) and first <= port <= each.get("endPort", first)

    # A rule without ports is for all of them.
    return any(not rule.get("ports") or any(map(covers, rule["ports"])) for rule in policy["spec"].get("egress", []))


def brings_token(endpoint):
    return bool(endpoint.get("authorization", {}).get("credentials", {}).get("name"))


def console(things, service, held):
    """Where it is served somebody may use it, its dead letters can be read, and browsers reach it by TLS at its public_url."""
    wrong, ways = [], of(things, "Ingress")
    if setting(held, "http", "console") != "true":
        return ["an Ingress leads to a console that is off"] if ways else []
    tokens = held.get(f"{PREFIX}HTTP__TOKENS", "[]")
    if tokens == "[]" and not setting(held, "http", "oidc_issuer"):
        wrong.append("the console is on, and nobody may use it: neither http.tokens nor http.oidc_issuer")
    if f"{PREFIX}BROKER__OPERATOR_URL_FILE" not in held:
        wrong.append("the console is on, and broker.operator_url_file is not given: it reads no dead letters")
    if setting(held, "http", "metrics_open") == "true":
        wrong.append("the console is on, and http.metrics_open shows metrics to whoever comes to it")
    for way in ways:
        by_tls = {host for each in way["spec"].get("tls", []) if each.get("secretName") for host in each.get("hosts", [])}
        for rule in way["spec"].get("rules", []):
            host = rule.get("host")
            if host not in by_tls or setting(held, "http", "public_url") != f"https://{host}":
                wrong.append(f"Ingress leads from {host} to the console: not by TLS, or http.public_url is another")
            for path in rule["http"]["paths"]:
                leads = path["backend"].get("service", {})
                ports = {each["name"] for each in service["spec"]["ports"]}
                if leads.get("name") != service["metadata"]["name"] or leads.get("port", {}).get("name") not in ports:
                    wrong.append(f"Ingress leads to {leads}, which is no port of the Service")
    return wrong


def connected(things, deployment, held):
    """What names the worker from outside of its pod finds it, and it finds what its configuration names."""
    labels, name = deployment["spec"]["template"]["metadata"]["labels"], deployment["metadata"]["name"]
    wrong = []
    selectors = [(each, each["spec"].get("selector", {})) for each in of(things, "Service")]
    selectors += [(each, each["spec"]["selector"]["matchLabels"]) for each in [deployment, *of(things, "PodDisruptionBudget")]]
    selectors += [(each, each["spec"]["podSelector"]["matchLabels"]) for each in of(things, "NetworkPolicy")]
    for thing, selector in selectors:
        if not selector or not selector.items() <= labels.items():
            wrong.append(f"{thing['kind']} selects {selector}, the pods have {labels}")
    service = of(things, "Service")[0]
    for monitor in of(things, "ServiceMonitor"):
        if not monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items():
            wrong.append("ServiceMonitor does not select the Service")
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint.get("port") not in {each["name"] for each in service["spec"]["ports"]} or endpoint.get("path") not in ROUTES:
                wrong.append(f"ServiceMonitor scrapes {endpoint.get('path')} at {endpoint.get('port')}, which the worker does not serve")
            if setting(held, "http", "metrics_open") != "true" and not brings_token(endpoint):
                wrong.append("ServiceMonitor brings no token, and http.metrics_open is not true")
    for policy in of(things, "NetworkPolicy"):
        if not any(port.get("port") == "http" for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])):
            wrong.append("NetworkPolicy lets nobody scrape")
    guards = [policy for policy in of(things, "NetworkPolicy") if "Egress" in policy["spec"].get("policyTypes", [])]
    for key, port in called(held):
        if guards and not any(lets_out(policy, port) for policy in guards):
            wrong.append(f"{key} leads to port {port}, and no NetworkPolicy lets the worker out there")
    if of(things, "PodDisruptionBudget") == []:
        wrong.append("there is no PodDisruptionBudget")
    wrong += console(things, service, held)
    return wrong + [finding for each in of(things, "ScaledObject") for finding in scaled(each, deployment, name, service)]


def scaled(thing, deployment, name, service):
    spec = thing["spec"]
    wrong = []
    if spec["scaleTargetRef"]["name"] != name or "replicas" in deployment["spec"]:
        wrong.append("ScaledObject and Deployment do not agree on whose replicas they are")
    if {each.get("name") for each in spec["triggers"]} != {"queue-length", "drain-time"}:
        wrong.append("ScaledObject does not scale on queue-length and drain-time")
    if spec["minReplicaCount"] < 2 or spec["maxReplicaCount"] < spec["minReplicaCount"]:
        wrong.append("ScaledObject leaves fewer than two workers, or no choice")
    if "fallback" not in spec:
        wrong.append("ScaledObject does not say how many workers there are while nobody can tell")
    for trigger in spec["triggers"]:
        query = trigger["metadata"].get("query", "")
        used = set(re.findall(r"\bjoin_community_\w+", query))
        wrong += [f"trigger {trigger['name']}: docs/metrics.md knows no {metric}" for metric in sorted(used - METRICS)]
        if query.count("{") != query.count(f'job="{service["metadata"]["name"]}"'):
            wrong.append(f"trigger {trigger['name']} counts in metrics of other jobs")
        # Where one Prometheus watches two installations, both are the same job.
        if query.count("{") != query.count(f'namespace="{thing["metadata"].get("namespace", "default")}"'):
            wrong.append(f"trigger {trigger['name']} counts in metrics of other namespaces")
        # KEDA's default, and then it never falls back for that.
        if trigger["metadata"].get("ignoreNullValues") != "false":
            wrong.append(f"trigger {trigger['name']} takes an empty answer for 0, whatever waits")
        # KEDA falls back for this type of metric alone.
        if not used or trigger.get("metricType") != "AverageValue":
            wrong.append(f"trigger {trigger['name']} has no metric of ours, or not type AverageValue")
    return wrong


def check(things):
    wrong = [finding for thing in things for finding in shaped(thing)]
    if wrong:
        return wrong
    places = {thing["metadata"].get("namespace") for thing in things if thing["kind"] != "Namespace"}
    if len(places) > 1:
        wrong.append(f"things that belong together are in several namespaces: {sorted(map(str, places))}")
    for thing in filter(pod, things):
        for container in pod(thing)["containers"]:
            held, found = environment(container, things)
            wrong += found + hardened(pod(thing), container) + configured(container, pod(thing), held)
            if container["image"] != "join-community" and "@sha256:" not in container["image"]:
                wrong.append(f"image {container['image']} may be another one tomorrow: name it by its digest")
            if thing["kind"] == "Deployment":
                wrong += serves(thing, container, held) + connected(things, thing, held)
    return wrong


def prove(things, ways):
    """Each way to break the manifests is found, and said so where the list has words for it. A way that applies to nothing
    is a defect of the list."""
    for kind, place, value, *words in ways:
        broken = copy.deepcopy(things)
        *way, last = (part.replace("~1", "/") for part in place.split("/"))
        node = functools.reduce(lambda node, key: node[int(key) if isinstance(node, list) else key], way, of(broken, kind)[0])
        last = int(last) if isinstance(node, list) else last
        if value is None:
            del node[last]
        else:
            node[last] = value
        found = check(broken)
        if not any(all(word in finding for word in words) for finding in found):
            sys.exit(f"tests/deploy/check.py does not notice {kind} {place} = {json.dumps(value)}, but {found}")


failed = False
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.yaml")):
    rendered = list(yaml.safe_load_all(file.read_text()))
    for finding in check(rendered):
        failed = True
        print(f"{file.stem}: {finding}", file=sys.stderr)
    if file.stem in BROKEN and not failed:
        prove(rendered, BROKEN.pop(file.stem))
    if file.stem == "base" and not failed:
        queries = [
            {"record": trigger["name"].replace("-", ":"), "expr": trigger["metadata"]["query"]}
            for thing in of(rendered, "ScaledObject") for trigger in thing["spec"]["triggers"]
        ]
        rules = {"groups": [{"name": "scaling", "rules": queries}]}
        file.with_name("scaling.json").write_text(json.dumps(rules))
if BROKEN and not failed:
    sys.exit(f"tests/deploy/broken.json breaks what is not rendered: {', '.join(BROKEN)}")
sys.exit(failed)
