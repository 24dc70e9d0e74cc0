"""The manifests, checked without a cluster: restricted, no tokens, with probes, and all names resolve."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
OVERLAYS = ("local", "demo", "strimzi")
BROUGHT = {
    "demo": {"truebook-exchange-key", "truebook-redis", "truebook-kafka", "truebook-dashboard"},
    "local": set(), "strimzi": set(),
}  # fmt: skip
"""Secrets that the user creates before applying the overlay; the others come from the credentials Job."""

if shutil.which("kubectl") is None:
    pytest.skip("kubectl is not installed", allow_module_level=True)

Resource = dict[str, Any]


@cache
def resources(overlay: str) -> tuple[Resource, ...]:
    done = subprocess.run(
        ("kubectl", "kustomize", f"deploy/k8s/overlays/{overlay}"),
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(overlay: str, *kinds: str) -> list[Resource]:
    return [resource for resource in resources(overlay) if resource["kind"] in kinds]


def named(overlay: str, kind: str) -> set[str]:
    return {resource["metadata"]["name"] for resource in of_kind(overlay, kind)}


def pods(overlay: str) -> Iterator[tuple[str, Resource]]:
    for resource in of_kind(overlay, "Deployment", "StatefulSet", "Job"):
        yield resource["metadata"]["name"], resource["spec"]["template"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_namespace_enforces_restricted_pods(overlay: str) -> None:
    [namespace] = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    homeless = [r["metadata"]["name"] for r in resources(overlay) if r["kind"] != "Namespace"]
    assert homeless
    assert {r["metadata"].get("namespace") for r in resources(overlay) if r["kind"] != "Namespace"} == {"truebook"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_restricted_and_bounded(overlay: str) -> None:
    for name, pod in pods(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["limits"].keys() >= {"memory"}, name
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
            assert container["imagePullPolicy"] == "IfNotPresent", name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_the_credentials_job_gets_a_token(overlay: str) -> None:
    with_token = {name for name, pod in pods(overlay) if pod["automountServiceAccountToken"] is not False}
    assert with_token == ({"credentials"} if overlay != "demo" else set())
    assert all(pod["serviceAccountName"] in named(overlay, "ServiceAccount") for _, pod in pods(overlay))
    for role in of_kind(overlay, "Role"):
        assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}]
    assert of_kind(overlay, "ClusterRole", "ClusterRoleBinding") == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_long_running_pods_have_probes_and_a_stop(overlay: str) -> None:
    for resource in of_kind(overlay, "Deployment", "StatefulSet"):
        pod = resource["spec"]["template"]["spec"]
        for container in pod["containers"]:
            assert container.keys() >= {"startupProbe", "livenessProbe", "readinessProbe"}, resource["metadata"]["name"]
        assert pod["terminationGracePeriodSeconds"] >= 15


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_service_has_a_disruption_budget_that_selects_it(overlay: str) -> None:
    budgets = {
        budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for budget in of_kind(overlay, "PodDisruptionBudget")
    }
    assert budgets == named(overlay, "Deployment")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_config_maps_and_secrets_exist(overlay: str) -> None:
    keys = {"truebook-exchange-key", "truebook-exchange-public-key"}
    from_job = keys | {"truebook-redis", "truebook-redis-users", "truebook-dashboard"}
    secrets = BROUGHT[overlay] if overlay == "demo" else from_job
    for name, pod in pods(overlay):
        for volume in pod.get("volumes", ()):
            if "configMap" in volume:
                assert volume["configMap"]["name"] in named(overlay, "ConfigMap"), name
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets, name
        for container in pod["containers"]:
            for source in container.get("envFrom", ()):
                assert source["configMapRef"]["name"] in named(overlay, "ConfigMap"), name
    assert of_kind(overlay, "Secret") == [], "a secret has no place in a repository"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_network_policies_deny_by_default(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    nothing = next(policy for policy in policies if policy["metadata"]["name"] == "nothing")
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    to_exchange = next(policy for policy in policies if policy["metadata"]["name"] == "to-exchange")
    assert to_exchange["spec"]["podSelector"]["matchLabels"] == {"truebook/exchange": "true"}
    exposed = [
        resource["metadata"]["name"]
        for resource in of_kind(overlay, "Service")
        if resource["spec"].get("type", "ClusterIP") != "ClusterIP"
    ]
    assert exposed == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_signing_pods_get_the_key(overlay: str) -> None:
    holders = {
        name
        for name, pod in pods(overlay)
        if any(v.get("secret", {}).get("secretName") == "truebook-exchange-key" for v in pod.get("volumes", ()))
    }
    assert holders == {"ingest", "execution", "fill-listener", "reconciler", "dashboard"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_models_change_only_where_policy_sees_them(overlay: str) -> None:
    """A registry of a pod's own is read-only: a change of it would reach no policy."""
    shared, writable = set(), set()
    for name, pod in pods(overlay):
        mounts = [mount for mount in pod["containers"][0].get("volumeMounts", ()) if mount["name"] == "models"]
        volumes = [volume for volume in pod.get("volumes", ()) if volume["name"] == "models"]
        shared |= {name for volume in volumes if volume.get("persistentVolumeClaim", {}).get("claimName") == "models"}
        writable |= {name for mount in mounts if not mount.get("readOnly")}
    assert shared == (set() if overlay == "demo" else {"policy", "reconciler", "dashboard"})
    assert writable == shared, "policy rolls a failing model back"


def test_kafka_clients_can_read_the_managed_password() -> None:
    [settings] = of_kind("demo", "ConfigMap")
    file = Path(settings["data"]["TRUEBOOK_KAFKA_PASSWORD_FILE"])
    assert settings["data"]["TRUEBOOK_KAFKA_TLS"] == "true"
    for name, pod in pods("demo"):
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        volume = next(volume for volume in pod["volumes"] if volume["name"] == mounts[str(file.parent)])
        assert volume["secret"]["secretName"] == "truebook-kafka", name
        assert pod["securityContext"]["fsGroup"] == 10001, name


def test_singletons_are_recreated_not_doubled() -> None:
    for deployment in of_kind("local", "Deployment"):
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        if name in ("ingest", "reconciler", "alerts"):
            assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate"), name
        else:
            assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name


def test_the_component_of_alerts_adds_receivers_and_a_volume(tmp_path: Path) -> None:
    up = "../" * (len(tmp_path.parts) - 1)
    paths = {name: f"{up}{(ROOT / 'deploy/k8s' / name).relative_to('/')}" for name in ("overlays/local", "alerts")}
    kustomization = {"resources": [paths["overlays/local"]], "components": [paths["alerts"]], "namespace": "truebook"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    done = subprocess.run(("kubectl", "kustomize", str(tmp_path)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    pod = found["Deployment", "alerts"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["state"] == {"name": "state", "persistentVolumeClaim": {"claimName": "alerts"}}
    assert volumes["alert-receivers"]["secret"]["secretName"] == "truebook-alerts"
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    [file] = [variable["value"] for variable in pod["containers"][0]["env"]]
    assert str(Path(file).parent) in mounts
    assert ("PersistentVolumeClaim", "alerts") in found
    assert ("NetworkPolicy", "to-receivers") in found
