"""Models: ONNX files with metadata that states how to use them, a registry, and the sessions that run them."""
