"""Models: ONNX files that say how they are to be used, a registry of them, and the sessions that run them."""
