# SPDX-License-Identifier: Apache-2.0
"""Results as FHIR resources. Pure: a ``Result`` in, a validated bundle out."""

from healthvision.formats.fhir.bundle import diagnostic_report_bundle
from healthvision.formats.fhir.datatypes import FhirInputError

__all__ = ["FhirInputError", "diagnostic_report_bundle"]
