"""What may be called: only what stands in the fleet file, so that no form and no request can name an address."""

from dataclasses import dataclass

from monitor.errors import CheckpointError, NotFound
from monitor.fleet import WORKER
from monitor.inference.folders import weights_folder
from monitor.records import Canary, Checkpoint, Deployment, Fleet


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, or a bare checkpoint in the worker, and how it is reached."""

    id: str
    deployment: Deployment | None  # None: the checkpoint itself, in the worker
    checkpoint: Checkpoint
    runtime: str
    url: str | None = None
    key_env: str | None = None
    served_model: str | None = None
    api_name: str | None = None

    @property
    def model(self) -> str:
        """What the server calls the checkpoint."""
        return self.served_model or self.checkpoint.id

    @property
    def logged_as(self) -> str:
        """The `deployment` of predictions that it answers."""
        return self.deployment.id if self.deployment else WORKER


def targets(fleet: Fleet) -> dict[str, Target]:
    """By id: deployments that can be called, then `worker/ID` for each checkpoint with weights in a local folder."""
    found = {id_: _deployed(fleet, one) for id_, one in fleet.deployments.items() if one.url or one.runtime == "local"}
    for id_, checkpoint in fleet.checkpoints.items():
        if _has_folder(checkpoint, fleet.path):
            found[f"{WORKER}/{id_}"] = Target(f"{WORKER}/{id_}", None, checkpoint, "local")
    return found


def target(fleet: Fleet, id_: str) -> Target:
    """The target of that id. Raises NotFound, which says why it cannot be called and lists what can."""
    known = targets(fleet)
    if id_ in known:
        return known[id_]
    raise NotFound(f"{id_!r} cannot be called: {_why_not(fleet, id_)}; targets are {', '.join(known) or 'none'}")


def planned_deployments(canary: Canary, fleet: Fleet) -> tuple[str, ...]:
    """The deployments that a canary runs on: those it names, else all that can be called."""
    return canary.deployments or tuple(id_ for id_, one in targets(fleet).items() if one.deployment is not None)


def _deployed(fleet: Fleet, deployment: Deployment) -> Target:
    return Target(
        deployment.id,
        deployment,
        fleet.checkpoints[deployment.checkpoint],
        deployment.runtime,
        deployment.url,
        deployment.key_env,
        deployment.served_model,
        deployment.api_name,
    )


def _has_folder(checkpoint: Checkpoint, fleet_path: str | None) -> bool:
    try:
        weights_folder(checkpoint, fleet_path)
    except CheckpointError:
        return False
    return True


def _why_not(fleet: Fleet, id_: str) -> str:
    if id_ in fleet.deployments:
        return "it has no url in the fleet file, and is watched through its log only"
    checkpoint = fleet.checkpoints.get(id_.removeprefix(f"{WORKER}/"))
    if checkpoint is None:
        return "it is not in the fleet file"
    if id_ == checkpoint.id:
        return f"it is a checkpoint, which the worker answers as {WORKER}/{id_} when its weights lie in a local folder"
    return f"its weights ({checkpoint.weights or 'not given'}) are no folder here"
