# SPDX-License-Identifier: Apache-2.0
"""What the caller of an analysis states, checked against what the application takes."""

from collections.abc import Mapping, Sequence

from healthvision.domains.analysis.errors import ParameterRefused
from healthvision.domains.modelhub.ports import Parameter

Stated = Mapping[str, str | int | float | bool]
Checked = dict[str, str | int | float | bool]


def check_parameters(application: str, known: Sequence[Parameter], stated: Stated) -> Checked:
    """Return the values by name, choices in capitals.

    Raises ParameterRefused for a name that ``known`` does not have, with the names it has, and
    for a value of another type or outside its range, with the values there are. What was stated
    as a value is not repeated: it may be about a patient.
    """
    names = {parameter.name: parameter for parameter in known}
    checked: Checked = {}
    for name, value in stated.items():
        found = names.get(name)
        if found is None:
            raise ParameterRefused(f"{name}: {application} takes {told(known)}", field=name)
        try:
            checked[name] = found.check(value)
        except ValueError as error:
            raise ParameterRefused(f"{name} is {error}", field=name) from None
    return checked


def told(known: Sequence[Parameter]) -> str:
    """Say which parameters there are, with their values."""
    return ", ".join(f"{p.name} ({p.possible})" for p in known) or "no parameters"
