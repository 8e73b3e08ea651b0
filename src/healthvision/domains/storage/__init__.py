# SPDX-License-Identifier: Apache-2.0
"""Encrypted objects behind a port: local folder, S3, memory."""
