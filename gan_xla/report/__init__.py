"""`--mode=report`: a run, a comparison of runs or a blind test as one HTML file, for any browser, offline."""

from collections.abc import Sequence

from etils import epath

from gan_xla.errors import UserError

FILE = "report.html"
ALONE = "One of several processes wrote this page and could not load the model alone; this command adds test images:"


def write(
    workdir: epath.PathLike,
    output: epath.PathLike | None = None,
    checkpoint: str = "last",
    translate: bool = True,
    overwrite: bool = False,
) -> epath.Path:
    """Writes the report of one run, also of one that is young or still training.

    Args:
      workdir: the run.
      output: the file; None: report.html in the run's directory, which takes the place of an earlier one.
      checkpoint: of the translations and samples, as `gan_xla.load`.
      translate: whether there are any; they take the model, its data and a compilation.
      overwrite: whether `output` takes the place of a file of its name.
    Returns:
      The file.
    Raises:
      UserError: there is no run, the file cannot be written, or a library is missing.
    """
    from gan_xla.report import curves, page, pictures, tables
    from gan_xla.report import run as runs

    page.check(output or epath.Path(workdir) / FILE, overwrite or not output)
    run = runs.read(workdir)
    shots, unread = pictures.shots(run)
    step, made, failure = None, [], "" if translate else ALONE
    if translate:
        try:
            step, made = pictures.made(run, checkpoint)
        except UserError as error:
            failure = str(error)
    shipped, fields = tables.configuration(run)
    text = page.render(
        "report", "report", run=run, facts=tables.facts(run), charts=curves.charts([run]), shots=shots, unread=unread,
        made=made, made_step=step, failure=failure, metrics=tables.metrics(run), shipped=shipped, fields=fields,
        environments=tables.environments(run), here=tables.this_environment(),
    )  # fmt: skip
    return page.save(output or epath.Path(workdir) / FILE, text)


def compare(workdirs: Sequence[str], output: epath.PathLike, overwrite: bool = False) -> epath.Path:
    """Writes a page that shows runs side by side, also what their last checkpoints make of the same test images.

    Args:
      workdirs: two runs or more.
      output: the file.
      overwrite: as `write`.
    Returns:
      The file.
    Raises:
      UserError: as `write`, or fewer than two runs.
    """
    from gan_xla.report import beside, curves, page, pictures, tables
    from gan_xla.report import run as runs

    if len(workdirs) < 2:
        raise UserError(f"--compare={','.join(workdirs)}: give two runs or more, with commas between")
    page.check(output, overwrite)
    found = runs.read_all(workdirs, "compare")
    share = (pictures.SHOTS // len(found) + 1, pictures.SHOT_BYTES // len(found))
    shots, unread = zip(*(pictures.shots(run, *share) for run in found))
    made, missing = beside.tables(found)
    text = page.render(
        "compare", "report", runs=found, facts=[dict(tables.facts(run)) for run in found], charts=curves.charts(found),
        shots=shots, unread=unread, made=made, missing=missing, metrics=tables.compared(found),
        differences=tables.differences(found),
    )  # fmt: skip
    return page.save(output, text)


def blind(
    workdirs: Sequence[str],
    output: epath.PathLike,
    trials: int = 50,
    direction: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> epath.Path:
    """Writes a page that asks which of two pictures is more real, without saying where they are from.

    Args:
      workdirs: runs of one kind on the same test data, and "real" for real images; two or more.
      output: the file.
      trials: how often it asks.
      direction: of translations, or a domain; None: all that the runs have, in turn.
      seed: of the order.
      overwrite: as `write`.
    Returns:
      The file.
    Raises:
      UserError: as `write`, or runs whose pictures cannot be set side by side.
    """
    from gan_xla.report import page
    from gan_xla.report import trials as blind_test

    page.check(output, overwrite)
    return page.save(output, blind_test.page(blind_test.Test.of(workdirs, trials, direction, seed)))


def count(files: Sequence[str]) -> str:
    """How often each candidate of a blind test was picked, with 95 % confidence intervals, who paid attention, and how
    far people agree.

    Args:
      files: of answers that the page saved, by one person or several.
    Raises:
      UserError: a file cannot be read, they are of different candidates or twice of one person, or nobody paid
        attention.
    """
    from gan_xla.report import answers

    return answers.count(files)
