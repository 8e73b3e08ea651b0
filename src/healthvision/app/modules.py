# SPDX-License-Identifier: Apache-2.0
"""The rooms and doors of this installation, lower rooms first."""

from collections.abc import Sequence

from fastapi import APIRouter

from healthvision.domains.analysis.module import MODULE as ANALYSIS
from healthvision.domains.archive.module import MODULE as ARCHIVE
from healthvision.domains.audit.module import MODULE as AUDIT
from healthvision.domains.identity.module import MODULE as IDENTITY
from healthvision.domains.integration.module import MODULE as INTEGRATION
from healthvision.domains.modelhub.module import MODULE as MODELHUB
from healthvision.domains.notify.module import MODULE as NOTIFY
from healthvision.domains.patients.module import MODULE as PATIENTS
from healthvision.domains.reading.module import MODULE as READING
from healthvision.domains.spaces.module import MODULE as SPACES
from healthvision.domains.storage.module import MODULE as STORAGE
from healthvision.interfaces.dicomweb.capabilities import router as capabilities
from healthvision.interfaces.dicomweb.routes import router as dicomweb
from healthvision.interfaces.dicomweb.upsrs import router as upsrs
from healthvision.interfaces.web.session_api import router as web_session
from healthvision.kernel.module import Module

MODULES: Sequence[Module] = (
    AUDIT,
    IDENTITY,
    STORAGE,
    PATIENTS,
    NOTIFY,
    SPACES,
    MODELHUB,
    ARCHIVE,
    INTEGRATION,
    ANALYSIS,
    READING,
)
DOORS: Sequence[APIRouter] = (dicomweb, capabilities, upsrs, web_session)
