# SPDX-License-Identifier: Apache-2.0
"""Analysis applications, one folder per application; port: ``domains/modelhub/ports.py``."""
