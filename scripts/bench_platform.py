# SPDX-License-Identifier: Apache-2.0
"""Measure the doors of a running platform: STOW, QIDO, WADO, metadata, a large zip, STAT.

Run: ``python scripts/bench_platform.py [--images N] [--zip-images N] [--stat]``. It starts its own
platform (SQLite, local folder, one process, loopback) in a temporary folder with an API key of
tier 'service', measures, and stops it. Writes one JSON line per measurement; times are in
milliseconds unless named otherwise. ``load``: the machine's 1-minute load before the measurement.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from healthvision.app import accounts, schema
from healthvision.app.demo.receiver import receiving
from healthvision.app.demo.server import free_port
from healthvision.client import ApiKey, Client
from healthvision.clinical.phantoms.chest import SMALL, ChestConfig, phantom
from healthvision.clinical.volume import axial
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.settings import CoreSettings

REPEATS = 100
OCTETS = 'multipart/related; type="application/octet-stream"'
