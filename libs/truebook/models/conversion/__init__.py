"""Fitted models of training libraries as ONNX graphs: one input, one output, and the trainer's own function."""
