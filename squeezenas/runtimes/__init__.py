"""Runtimes that execute a network: PyTorch, ONNX Runtime, OpenVINO."""
