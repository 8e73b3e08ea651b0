# SPDX-License-Identifier: Apache-2.0
"""``healthvision analyze --param``: what a doctor states, checked against the application."""

from pathlib import Path

import pytest

from healthvision.app import analyze
from healthvision.app.analyze import BadParameter, parse
from healthvision.domains.modelhub.service import discover

KNOWN = discover().get("chest-xray").manifest.parameters


class TestParse:
    def test_gives_typed_values(self) -> None:
        stated = ["view_position=pa", "patient_age_years= 4"]
        assert parse("chest-xray", KNOWN, stated) == {"view_position": "PA", "patient_age_years": 4}

    @pytest.mark.parametrize(
        ("stated", "told"),
        [
            (
                "view=PA",
                "view_position (PA or AP), patient_age_years (a whole number from 0 to 130)",
            ),
            ("view_position", "give name=value"),
            ("view_position=LL", "view_position is PA or AP"),
            ("patient_age_years=four", "a whole number from 0 to 130"),
            ("patient_age_years=4.5", "a whole number"),
            ("patient_age_years=131", "from 0 to 130"),
            ("patient_age_years=1_0", "a whole number"),
        ],
    )
    def test_refuses_the_rest_with_what_there_is(self, stated: str, told: str) -> None:
        with pytest.raises(BadParameter) as refused:
            parse("chest-xray", KNOWN, [stated])
        assert told in str(refused.value)

    def test_a_name_given_twice_is_refused_even_with_the_same_value(self) -> None:
        for second in ("view_position=AP", "view_position=PA"):
            with pytest.raises(BadParameter, match="view_position is given twice"):
                parse("chest-xray", KNOWN, ["view_position=PA", second])

    def test_an_application_without_parameters_says_so(self) -> None:
        with pytest.raises(BadParameter, match="lung-ct takes no parameters"):
            parse("lung-ct", (), ["a=1"])

    def test_a_number_that_is_none_is_refused(self) -> None:
        known = discover().get("brain-mri").manifest.parameters
        assert parse("brain-mri", known, ["lesion_x=-3.5"]) == {"lesion_x": -3.5}
        for bad in ("nan", "inf", "x", "1_0.5"):
            with pytest.raises(BadParameter):
                parse("brain-mri", known, [f"lesion_x={bad}"])


class TestRun:
    def test_a_wrong_parameter_is_bad_input_and_nothing_is_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "film.png"
        path.write_bytes(b"no picture at all")
        twice = ["view_position=PA", "view_position=AP"]
        for stated, told in ((["view_position=X"], "PA or AP"), (twice, "given twice")):
            done = analyze.run(path, "chest-xray", tmp_path / "out", False, 0, stated)
            assert done == analyze.BAD_INPUT
            assert told in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


class TestHelp:
    def test_names_every_parameter_of_the_applications_that_come_with_it(self) -> None:
        for item in discover().newest():
            for parameter in item.manifest.parameters:
                assert parameter.name in analyze.PARAM_HELP, item.manifest.id
