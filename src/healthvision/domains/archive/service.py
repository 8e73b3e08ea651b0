# SPDX-License-Identifier: Apache-2.0
"""The archive as others use it: one way in (``receive``), one way out (``read_instances``)."""

from healthvision.domains.archive.completeness import close_study, complete_quiet_studies
from healthvision.domains.archive.exporting import export_study
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
from healthvision.domains.archive.originals import open_original
from healthvision.domains.archive.quarantining import (
    discard,
    get_quarantined,
    list_quarantine,
    open_quarantined,
    release,
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
from healthvision.domains.archive.receive import receive, spool
from healthvision.domains.archive.search import (
    INSTANCE_LEVEL,
    SERIES_LEVEL,
    STUDY_LEVEL,
    find_instances,
    find_series,
    find_studies,
)
from healthvision.domains.archive.sweeping import sweep_orphans
from healthvision.domains.archive.taking_in import give_up, take_in
from healthvision.domains.archive.uploads import (
    TAKE_IN,
    complete_upload,
    create_upload,
    expire_uploads,
    get_upload,
    limits,
    list_uploads,
)

__all__ = [
    "INSTANCE_LEVEL",
    "SERIES_LEVEL",
    "STUDY_LEVEL",
    "TAKE_IN",
    "Pixels",
    "add_to_space",
    "change_study",
    "close_study",
    "complete_quiet_studies",
    "complete_upload",
    "create_upload",
    "delete_study",
    "discard",
    "expire_uploads",
    "export_study",
    "find_instances",
    "find_series",
    "find_studies",
    "get_instance",
    "get_instance_json",
    "get_quarantined",
    "get_series",
    "get_study",
    "get_study_by_uid",
    "get_upload",
    "give_up",
    "limits",
    "list_instances",
    "list_quarantine",
    "list_studies",
    "list_uploads",
    "locate",
    "metadata",
    "on_space_removed",
    "open_bytes",
    "open_original",
    "open_quarantined",
    "purge_deleted",
    "read_bytes",
    "read_instances",
    "receive",
    "record_access",
    "release",
    "remove_from_space",
    "spool",
    "study_instances",
    "study_metadata",
    "sweep_orphans",
    "take_in",
]
