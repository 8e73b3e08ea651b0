# SPDX-License-Identifier: Apache-2.0
"""The archive as others use it: one way in (``receive``), one way out (``read_instances``)."""

from healthvision.domains.archive.correcting.conflicts import decide
from healthvision.domains.archive.correcting.corrections import (
    edit_patient,
    edit_series,
    edit_study,
    merge_patients,
    move_study,
)
from healthvision.domains.archive.correcting.corrections_history import (
    get_correction,
    patient_history,
    study_history,
)
from healthvision.domains.archive.correcting.corrections_rejecting import reject
from healthvision.domains.archive.correcting.corrections_splitting import split_study
from healthvision.domains.archive.correcting.corrections_undoing import undo
from healthvision.domains.archive.correcting.held_notes import held_notes
from healthvision.domains.archive.correcting.originals import open_original, open_received
from healthvision.domains.archive.keeping.compaction import compact, move_series
from healthvision.domains.archive.keeping.exporting import export_study
from healthvision.domains.archive.keeping.scrubbing import SCRUB_EVERY_S, integrity, scrub
from healthvision.domains.archive.keeping.sweeping import (
    delete_retired,
    remove_spent_segments,
    sweep_orphans,
)
from healthvision.domains.archive.keeping.verifying import (
    Exported,
    Verified,
    count_stored,
    export_plain,
    to_export,
    verify,
)
from healthvision.domains.archive.lifecycle.completeness import (
    FINISH,
    close_study,
    complete_quiet_studies,
    finish_small_study,
    finish_study,
)
from healthvision.domains.archive.lifecycle.lifecycle import (
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
from healthvision.domains.archive.lifecycle.removing import delete_instances
from healthvision.domains.archive.packing.packs import addressed
from healthvision.domains.archive.packing.sealing import seal_quiet_series, seal_study
from healthvision.domains.archive.receiving.authorship import name_author
from healthvision.domains.archive.receiving.ingest import receiver_of
from healthvision.domains.archive.receiving.receive import receive, spool
from healthvision.domains.archive.records.sight import patient_of
from healthvision.domains.archive.recovering.rebuilding import Rebuilt, find_packs, rebuild_index
from healthvision.domains.archive.recovering.recovery import recover
from healthvision.domains.archive.repository import is_shown
from healthvision.domains.archive.retrieving.locating import Wanted, find_refs, ready_metadata
from healthvision.domains.archive.retrieving.opening import (
    corrected,
    open_bytes,
    open_joined,
    open_many,
    read_bytes,
)
from healthvision.domains.archive.retrieving.reading import (
    Pixels,
    locate,
    metadata,
    metadata_texts,
    read_instances,
    record_access,
    study_instances,
    study_metadata,
    thumbnail,
)
from healthvision.domains.archive.retrieving.vouching import Held, held_in
from healthvision.domains.archive.searching.search import (
    find_in,
    find_instances,
    find_on,
    find_series,
    find_studies,
    searchable,
)
from healthvision.domains.archive.searching.search_items import entry
from healthvision.domains.archive.uploading.quarantining import (
    discard,
    get_quarantined,
    list_quarantine,
    open_quarantined,
    quarantine_file,
    release,
)
from healthvision.domains.archive.uploading.taking_in import give_up, take_in
from healthvision.domains.archive.uploading.unzipping import check as check_zip
from healthvision.domains.archive.uploading.unzipping import members as zip_members
from healthvision.domains.archive.uploading.uploads import (
    TAKE_IN,
    complete_upload,
    create_upload,
    expire_uploads,
    get_upload,
    limits,
    list_uploads,
)
from healthvision.domains.patients.service import open_conflicts

__all__ = [
    "FINISH",
    "SCRUB_EVERY_S",
    "TAKE_IN",
    "Exported",
    "Held",
    "Pixels",
    "Rebuilt",
    "Verified",
    "Wanted",
    "add_to_space",
    "addressed",
    "change_study",
    "check_zip",
    "close_study",
    "compact",
    "complete_quiet_studies",
    "complete_upload",
    "corrected",
    "count_stored",
    "create_upload",
    "decide",
    "delete_instances",
    "delete_retired",
    "delete_study",
    "discard",
    "edit_patient",
    "edit_series",
    "edit_study",
    "entry",
    "expire_uploads",
    "export_plain",
    "export_study",
    "find_in",
    "find_instances",
    "find_on",
    "find_packs",
    "find_refs",
    "find_series",
    "find_studies",
    "finish_small_study",
    "finish_study",
    "get_correction",
    "get_instance",
    "get_instance_json",
    "get_quarantined",
    "get_series",
    "get_study",
    "get_study_by_uid",
    "get_upload",
    "give_up",
    "held_in",
    "held_notes",
    "integrity",
    "is_shown",
    "limits",
    "list_instances",
    "list_quarantine",
    "list_studies",
    "list_uploads",
    "locate",
    "merge_patients",
    "metadata",
    "metadata_texts",
    "move_series",
    "move_study",
    "name_author",
    "on_space_removed",
    "open_bytes",
    "open_conflicts",
    "open_joined",
    "open_many",
    "open_original",
    "open_quarantined",
    "open_received",
    "patient_history",
    "patient_of",
    "purge_deleted",
    "quarantine_file",
    "read_bytes",
    "read_instances",
    "ready_metadata",
    "rebuild_index",
    "receive",
    "receiver_of",
    "record_access",
    "recover",
    "reject",
    "release",
    "remove_from_space",
    "remove_spent_segments",
    "scrub",
    "seal_quiet_series",
    "seal_study",
    "searchable",
    "split_study",
    "spool",
    "study_history",
    "study_instances",
    "study_metadata",
    "sweep_orphans",
    "take_in",
    "thumbnail",
    "to_export",
    "undo",
    "verify",
    "zip_members",
]
