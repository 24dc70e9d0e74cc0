"""PyTorch modules and Stable-Baselines3 policies as ONNX graphs, weights inside, in inference mode, on the CPU."""

from __future__ import annotations

import copy
from typing import Any, Final

import numpy as np

from truebook.decision.strategy import Output
from truebook.models.check_rows import Batch, is_close, random_rows
from truebook.models.conversion.graph import completed, input_name
from truebook.models.conversion.parts import Conversion, ExportTarget, Outputs, imported, places_of
from truebook.models.conversion.selection import of_values
from truebook.models.errors import NotConvertible

EXTRA: Final = "train"
_EXAMPLE_ROWS: Final = 3
"""More than one: a graph that is traced with one row may become a graph for one row."""
_COMPARED_ROWS: Final = 64
_SEED: Final = 13
_RAW: Final = "module_output"
_ADVICE: Final = (
    "Export in inference mode, without operations that depend on the values or the number of rows, and normalise "
    "inputs to similar ranges; or convert with another version of PyTorch"
)


def convert_module(module: Any, target: ExportTarget) -> Conversion:
    """Convert a module that maps float32 [n, features] to [n, outputs]; raises ``NotConvertible``.

    The module itself is not changed: a copy is moved to the CPU and to inference mode.
    """
    torch = imported("torch", EXTRA)
    if not isinstance(module, torch.nn.Module):
        raise NotConvertible(f"{type(module).__name__} is no torch.nn.Module")
    try:
        network = copy.deepcopy(module).cpu().float().eval()
    except RuntimeError as error:
        raise NotConvertible(f"the module can't be copied: {error}; export it outside of training") from error
    count = len(target.layout) if target.columns is None else len(target.columns)
    places = places_of(target, count, None)
    selection = of_values(target.strategy.outputs, target.strategy)

    def raw(rows: Batch) -> Any:
        with torch.no_grad():
            try:
                return network(torch.from_numpy(np.ascontiguousarray(rows[:, places])))
            except (RuntimeError, TypeError) as error:
                what = f"the module fails on float32 [{len(rows)}, {count}]"
                raise NotConvertible(f"{what}: {str(error).splitlines()[0]}") from error

    example = np.zeros((_EXAMPLE_ROWS, len(target.layout)), np.float32)
    _check_output(torch, raw(example), target)

    def predict(rows: Batch) -> Outputs:
        values = raw(rows).double().numpy()
        _refuse_values_that_are_clipped(values, target)
        return selection.apply(values)

    graph = _traced(torch, network, torch.from_numpy(np.ascontiguousarray(example[:, places])), places, target)
    return Conversion(
        graph=completed(graph, _RAW, places, selection, target),
        predict=predict,
        trainer=f"PyTorch {torch.__version__}",
        advice=_ADVICE,
    )


def convert_policy(algorithm: Any, target: ExportTarget) -> Conversion:
    """Convert the policy of a Stable-Baselines3 algorithm with discrete actions; raises ``NotConvertible``.

    The normalisation of ``VecNormalize``, which is kept outside of the policy, becomes a part of the graph. The highest
    score is compared with the algorithm's own action on random observations.
    """
    torch, stable_baselines3 = imported("torch", EXTRA), imported("stable_baselines3", EXTRA)
    if not isinstance(algorithm, stable_baselines3.common.base_class.BaseAlgorithm):
        raise NotConvertible(f"{type(algorithm).__name__} is no algorithm of Stable-Baselines3")
    count = len(target.layout) if target.columns is None else len(target.columns)
    _check_spaces(algorithm, count, target)
    normalizer = algorithm.get_vec_normalize_env()
    if normalizer is not None and not normalizer.norm_obs:
        normalizer = None
    scores = _scores_module(torch, algorithm.policy, normalizer)
    conversion = convert_module(scores, target)
    rows = random_rows(target.layout, _COMPARED_ROWS, _SEED)
    places = places_of(target, count, None)
    observations = rows[:, places]
    if normalizer is not None:
        observations = normalizer.normalize_obs(observations)
    chosen = np.asarray(algorithm.predict(observations, deterministic=True)[0]).reshape(-1)
    found = conversion.predict(rows)
    best, own = found.max(axis=1), found[np.arange(len(rows)), chosen]
    differing = np.flatnonzero(~is_close(own, best))
    if len(differing):
        row = int(differing[0])
        what = f"for row {row} the algorithm chooses action {chosen[row]}, the policy's scores {found[row].argmax()}"
        raise NotConvertible(f"{what}: export a policy whose deterministic action is its highest score")
    return Conversion(
        graph=conversion.graph,
        predict=conversion.predict,
        trainer=f"Stable-Baselines3 {stable_baselines3.__version__}, {conversion.trainer}",
        advice=conversion.advice,
    )


def _traced(torch: Any, network: Any, example: Any, places: tuple[int, ...], target: ExportTarget) -> Any:
    """Return the graph, weights inside: PyTorch writes them into a second file where it writes the file."""
    imported("onnxscript", EXTRA)
    try:
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=[input_name(places, target)],
            output_names=[_RAW],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    except Exception as error:
        # The tracer raises errors of any class.
        what = f"PyTorch {torch.__version__} can't export this module"
        raise NotConvertible(f"{what}: {type(error).__name__}: {str(error)[:300]}") from error
    return program.model_proto


def _check_output(torch: Any, output: Any, target: ExportTarget) -> None:
    wanted = [_EXAMPLE_ROWS, target.strategy.outputs]
    if not isinstance(output, torch.Tensor):
        what = f"the module returns {type(output).__name__}"
        raise NotConvertible(f"{what}, expected one tensor {wanted}: return only the policy's output")
    if list(output.shape) != wanted:
        meaning = target.strategy.output.value
        raise NotConvertible(
            f"the module returns shape {list(output.shape)} for {_EXAMPLE_ROWS} rows, {meaning} needs {wanted}"
        )


def _refuse_values_that_are_clipped(values: Outputs, target: ExportTarget) -> None:
    """A logit in place of a probability must not be clipped silently."""
    if target.strategy.output is Output.YES_PROBABILITY and not ((values >= 0) & (values <= 1)).all():
        raise NotConvertible("the module returns values outside 0..1: end it with torch.nn.Sigmoid()")


def _check_spaces(algorithm: Any, count: int, target: ExportTarget) -> None:
    if target.strategy.output is not Output.ACTION_LOGITS:
        raise NotConvertible("a policy has actions: state the output action_logits")
    shape = getattr(algorithm.observation_space, "shape", None)
    if shape != (count,):
        raise NotConvertible(f"the policy observes {algorithm.observation_space}, the model {count} features")
    space, outputs = algorithm.action_space, target.strategy.outputs
    if getattr(space, "n", None) != outputs or getattr(space, "start", 0) != 0:
        what = f"the policy's actions are {space}, {len(target.strategy.sizes_centi)} sizes need Discrete({outputs})"
        raise NotConvertible(f"{what}: train with the action ids of docs/models.md")
    if not hasattr(algorithm.policy, "q_net") and not hasattr(algorithm.policy, "action_net"):
        raise NotConvertible(f"the policy {type(algorithm.policy).__name__} has neither action_net nor q_net")


def _scores_module(torch: Any, policy: Any, normalizer: Any) -> Any:
    """Return a module of observations [n, features] → one score per action [n, actions], normalisation included."""

    # The parts of an actor-critic policy, not the policy: after training it keeps tensors that can't be copied.
    if hasattr(policy, "q_net"):
        parts = [policy.q_net]
    else:
        parts = [policy.pi_features_extractor, policy.mlp_extractor, policy.action_net]

    class Scores(torch.nn.Module):  # type: ignore[misc]  # the library is optional
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(parts)
            self.is_normalized = normalizer is not None
            if normalizer is not None:
                scale = np.sqrt(normalizer.obs_rms.var + normalizer.epsilon)
                self.register_buffer("mean", torch.tensor(normalizer.obs_rms.mean, dtype=torch.float32))
                self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
                self.bound = float(normalizer.clip_obs)

        def forward(self, observations: Any) -> Any:
            if self.is_normalized:
                observations = torch.clamp((observations - self.mean) / self.scale, -self.bound, self.bound)
            if len(self.parts) == 1:
                return self.parts[0](observations)
            extractor, latent, scores = self.parts
            return scores(latent.forward_actor(extractor(observations)))

    return Scores()
