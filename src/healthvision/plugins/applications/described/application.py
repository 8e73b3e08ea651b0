# SPDX-License-Identifier: Apache-2.0
"""The application of a described model: gates, network, honest words."""

from healthvision.clinical.result import Gate, GateOutcome, Text
from healthvision.clinical.study import ApplicationOutput, SeriesImage
from healthvision.domains.modelhub.description import (
    ClassificationOutput,
    ModelDescription,
    SegmentationOutput,
)
from healthvision.domains.modelhub.manifests import limitations_of, manifest_of
from healthvision.domains.modelhub.ports import (
    BadNetwork,
    Context,
    FileRunner,
    Manifest,
    Material,
    Network,
    Stages,
    StudyInput,
)
from healthvision.kernel.plugins import imported
from healthvision.plugins.applications.described.asking import (
    OnServer,
    asking,
    opened,
)
from healthvision.plugins.applications.described.choosing import Choice, choose, gates_of
from healthvision.plugins.applications.described.preparing import TooLarge, answer, prepare
from healthvision.plugins.applications.described.reporting import Reader, Said, summary
from healthvision.plugins.applications.described.words import both, gate


class Described:
    """A model that was brought along, as an application like any other.

    Parameter ``series_uid`` insists on a series.
    """

    def __init__(self, material: Material) -> None:
        self.description = ModelDescription.model_validate_json(material.description)
        self._material = material

    @property
    def manifest(self) -> Manifest:
        """Describe the application."""
        return manifest_of(self.description)

    def run(self, study: StudyInput, context: Context) -> ApplicationOutput:
        """Analyse the best series; abstains with a reason when it may not or cannot.

        Raises ServerUnavailable: a server that does not answer is no property of the images, the
        task fails and can be tried again.
        """
        clock = Stages(context)
        wanted = context.parameters.get("series_uid")
        choice = choose(study, self.description, None if wanted is None else str(wanted))
        clock.done(0.1, "load")
        if choice.image is None:
            return self._abstain(choice, [], _nothing_fits(choice), clock)
        gates = gates_of(choice.image, self.description.input)
        try:
            said = self._read(choice.image, context, clock)
        except (BadNetwork, TooLarge) as refused:
            gates.append(_failed(refused))
            return self._abstain(choice, gates, gates[-1].reason, clock)
        gates += said.gates
        if not (said.findings or said.measurements or said.told):
            return self._abstain(choice, gates, gates[-1].reason, clock)
        clock.done(1.0, "outputs")
        return self._output(choice, gates, said, clock)

    def _read(self, image: SeriesImage, context: Context, clock: Stages) -> Said:
        description = self.description
        network = self._network(context)
        clock.done(0.2, "weights")
        fed = prepare(image.volume, description.input)
        clock.done(0.3, "prepare")
        ask, reader = asking(network, description), Reader(description, image)
        output = description.output
        if isinstance(output, SegmentationOutput):
            try:
                found = answer(fed, ask, lambda s: context.progress(0.3 + 0.5 * s, "network"))
            except ValueError as error:
                raise BadNetwork(str(error)) from None
            clock.done(0.8, "network")
            return reader.segmentation(found, fed, output)
        scores = ask(fed.values)
        clock.done(0.8, "network")
        if isinstance(output, ClassificationOutput):
            return reader.classification(scores, output)
        return reader.regression(scores, output)

    def _network(self, context: Context) -> Network:
        file = self.description.file
        if file is None:
            return OnServer(self.description, context)
        runner: FileRunner = imported(self._material.engine)
        return opened(runner, self._material.read(file.weights), self.description.budget.threads)

    def _abstain(
        self, choice: Choice, gates: list[Gate], why: Text, clock: Stages
    ) -> ApplicationOutput:
        clock.done(1.0, "done")
        return ApplicationOutput(
            chosen=choice.chosen,
            gates=tuple(gates),
            findings=(),
            measurements=(),
            negatives=(),
            summary=both(f"不予判断：{why.zh}", f"Abstained: {why.en}"),
            limitations=limitations_of(self.description),
            segmentation=None,
            key_images=(),
            abstained=why,
            stages_s=clock.seconds,
        )

    def _output(
        self, choice: Choice, gates: list[Gate], said: Said, clock: Stages
    ) -> ApplicationOutput:
        return ApplicationOutput(
            chosen=choice.chosen,
            gates=tuple(gates),
            findings=tuple(said.findings),
            measurements=tuple(said.measurements),
            negatives=(),
            summary=summary(self.description.title, said.told),
            limitations=limitations_of(self.description),
            segmentation=said.segmentation,
            key_images=tuple(said.key_images),
            stages_s=clock.seconds,
        )


def _nothing_fits(choice: Choice) -> Text:
    zh = "；".join(w.zh for _, w in choice.rejected) or "无序列"
    en = "; ".join(w.en for _, w in choice.rejected) or "no series"
    return both(f"没有适合此模型的序列（{zh}）", f"No series fits this model ({en})")


def _failed(refused: Exception) -> Gate:
    if isinstance(refused, TooLarge):
        reason = both(f"影像过大（{refused}）", f"The image is too large ({refused})")
        return gate("size", GateOutcome.FAILED, reason)
    return gate(
        "network",
        GateOutcome.FAILED,
        both(f"模型输出不可用（{refused}）", f"The model's answer cannot be used: {refused}"),
    )
