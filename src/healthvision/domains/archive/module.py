# SPDX-License-Identifier: Apache-2.0
"""The plug of the archive."""

from healthvision.domains.archive import api, corrections_api, intake_api, jobs, service, starting
from healthvision.domains.archive.correcting import iocm
from healthvision.domains.archive.events import KeyObjectsFollowed
from healthvision.domains.spaces.events import SpaceRemoved
from healthvision.kernel.module import Module

MODULE = Module(
    name="archive",
    routers=[
        api.studies,
        api.closings,
        api.series,
        api.instances,
        api.archive,
        corrections_api.patients,
        corrections_api.studies,
        corrections_api.series,
        corrections_api.instances,
        corrections_api.corrections,
        corrections_api.conflicts,
        corrections_api.notes,
        intake_api.uploads,
        intake_api.quarantine,
        intake_api.releases,
    ],
    start=starting.start,
    stop=starting.stop,
    jobs=jobs.JOBS,
    periodics=jobs.PERIODICS,
    subscriptions={
        SpaceRemoved: [service.on_space_removed],
        KeyObjectsFollowed: [iocm.on_key_objects],
    },
    permissions={
        "studies:read": "Find and read studies and their images",
        "studies:write": "Bring in studies, close them, put them into spaces",
        "studies:delete": "Delete studies",
        "studies:export": "Export studies as zip, NIfTI or PNG",
        "studies:correct": "Correct, move, split and reject studies; merge patients; undo it",
        "studies:original": "Get objects as they were received, whatever was corrected",
        "studies:hold": "Set and lift legal holds and retention times",
        "quarantine:manage": "See, download, release and delete refused objects",
    },
)
