# SPDX-License-Identifier: Apache-2.0
"""What runs networks: files inside the sandbox (onnx, torchscript), servers from outside of it."""
