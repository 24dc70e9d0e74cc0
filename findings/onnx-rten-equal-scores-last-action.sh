#!/usr/bin/env bash
# rten (Rust): of equal scores the last action is chosen, and a bool is the number without its decimals
#
# Guess: ArgMax without options returns the first of equal scores, as the standard defines. Cast to BOOL gives true for
# each number other than 0. ReduceMean with an empty list of axes and noop_with_empty_axes=1 returns its input.
# Seen: ArgMax returns the last of the equal scores (the option select_last_index is refused). Cast to BOOL gives 0 for
# 0.03 and -0.5, and -2 for -2.7. ReduceMean returns the mean of all values. ONNX Runtime follows the standard.
# Why it matters: Scores of a policy are often equal (clipped, or a market without a book). With the actions hold, buy,
# sell the same model holds in ONNX Runtime and sells in rten. "Is there an edge" as a BOOL is false for each edge
# below one dollar.
# Packages: rten==0.27.0, rten-tensor==0.27.0 (cargo), onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6 (pip); recorded
# with Rust 1.95 and Python 3.11
# Run: bash findings/onnx-rten-equal-scores-last-action.sh
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
  onnx==1.23.2 \
  onnxruntime==1.32.0 \
  numpy==2.4.6
cd "$work"
mkdir src
cat > Cargo.toml <<'PROGRAM'
[package]
name = "runner"
version = "0.1.0"
edition = "2021"

[dependencies]
rten = "=0.27.0"
rten-tensor = "=0.27.0"

[profile.dev]
debug = 0
PROGRAM
cat > expected.txt <<'EXPECTED'
ArgMax of [0.2, 0.5, 0.3]: onnxruntime [1] | rten [1]
ArgMax of [0.4, 0.4, 0.2]: onnxruntime [0] | rten [1]
ArgMax of [0.0, 0.0, 0.0]: onnxruntime [0] | rten [2]
Cast to BOOL of [0.0, 0.03, -0.5, -2.7, 1.0]: onnxruntime [False, True, True, True, True] | rten [0, 0, 0, -2, 1]
ReduceMean over no axis of [0.25, 0.75]: onnxruntime [0.25, 0.75] | rten [0.5]
EXPECTED
cat > src/main.rs <<'PROGRAM'
use rten::{Model, Value};
use rten_tensor::prelude::*;
use rten_tensor::Tensor;

// Arguments: the file of a model with the input x of shape [1, n], then the n values.
fn main() {
    let mut args = std::env::args().skip(1);
    let model = Model::load_file(args.next().unwrap()).unwrap();
    let row: Vec<f32> = args.map(|value| value.parse().unwrap()).collect();
    let input: Value = Tensor::from_data(&[1, row.len()], row).into();
    let inputs = vec![(model.node_id("x").unwrap(), input.into())];
    let output = model.run(inputs, &model.output_ids()[..1], None).unwrap().remove(0);
    match TryInto::<Tensor<f32>>::try_into(output.clone()) {
        Ok(values) => println!("{:?}", values.iter().copied().collect::<Vec<f32>>()),
        Err(_) => {
            let values: Tensor<i32> = output.try_into().unwrap();
            println!("{:?}", values.iter().copied().collect::<Vec<i32>>())
        }
    }
}
PROGRAM
cargo build --quiet
"$work/venv/bin/python" -W ignore - > observed.txt <<'PROGRAM'
import subprocess

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def show(label, row, kind, shape, output=TensorProto.INT64, axes=False, **options):
    names = ["x", "axes"] if axes else ["x"]
    empty = [numpy_helper.from_array(np.array([], np.int64), "axes")] if axes else []
    graph = helper.make_graph(
        [helper.make_node(kind, names, ["y"], **options)],
        "policy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, len(row)])],
        [helper.make_tensor_value_info("y", output, shape)],
        empty,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, "policy.onnx")
    reference = onnxruntime.InferenceSession("policy.onnx").run(None, {"x": np.array([row], np.float32)})[0]
    run = subprocess.run(["target/debug/runner", "policy.onnx", *map(str, row)], capture_output=True, text=True)
    print(f"{label} {row}: onnxruntime {reference.ravel().tolist()} | rten {run.stdout.strip() or 'raised an error'}")


show("ArgMax of", [0.2, 0.5, 0.3], "ArgMax", [1, 1], axis=1)
show("ArgMax of", [0.4, 0.4, 0.2], "ArgMax", [1, 1], axis=1)
show("ArgMax of", [0.0, 0.0, 0.0], "ArgMax", [1, 1], axis=1)
show("Cast to BOOL of", [0.0, 0.03, -0.5, -2.7, 1.0], "Cast", [1, 5], TensorProto.BOOL, to=TensorProto.BOOL)
show("ReduceMean over no axis of", [0.25, 0.75], "ReduceMean", [1, 2], TensorProto.FLOAT, True, noop_with_empty_axes=1)
PROGRAM
cat observed.txt
diff -u expected.txt observed.txt >&2 || {
  echo "behaviour changed" >&2
  exit 1
}
echo "same as recorded"
