# SPDX-License-Identifier: Apache-2.0
"""The archive as others use it: one way in (``receive``), one way out (``read_instances``)."""

from healthvision.domains.archive.completeness import close_study, complete_quiet_studies
from healthvision.domains.archive.lifecycle import (
    add_to_space,
    change_study,
    delete_study,
    get_instance,
    get_instance_json,
    get_series,
    get_study,
    get_study_by_uid,
    list_instances,
    list_studies,
    on_space_removed,
    purge_deleted,
    remove_from_space,
)
from healthvision.domains.archive.reading import (
    Pixels,
    locate,
    metadata,
    open_bytes,
    read_bytes,
    read_instances,
    record_access,
    study_instances,
    study_metadata,
)
from healthvision.domains.archive.receiving import receive, spool
from healthvision.domains.archive.search import (
    INSTANCE_LEVEL,
    SERIES_LEVEL,
    STUDY_LEVEL,
    find_instances,
    find_series,
    find_studies,
)

__all__ = [
    "INSTANCE_LEVEL",
    "SERIES_LEVEL",
    "STUDY_LEVEL",
    "Pixels",
    "add_to_space",
    "change_study",
    "close_study",
    "complete_quiet_studies",
    "delete_study",
    "find_instances",
    "find_series",
    "find_studies",
    "get_instance",
    "get_instance_json",
    "get_series",
    "get_study",
    "get_study_by_uid",
    "list_instances",
    "list_studies",
    "locate",
    "metadata",
    "on_space_removed",
    "open_bytes",
    "purge_deleted",
    "read_bytes",
    "read_instances",
    "receive",
    "record_access",
    "remove_from_space",
    "spool",
    "study_instances",
    "study_metadata",
]
