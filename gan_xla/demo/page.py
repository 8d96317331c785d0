"""The page of a demo, and its API: what Gradio shows and calls."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gan_xla import images
from gan_xla.demo.runs import Runs
from gan_xla.demo.work import MOST, SEEDS, STYLES, Work
from gan_xla.errors import UserError
from gan_xla.inference.model import Model

if TYPE_CHECKING:
    import gradio

WAITING = 32  # requests; more are told to come back later
CLEAN = (60, 600)  # seconds: how often files are deleted, and from what age on


def library():
    """Gradio.

    Raises:
      UserError: it is not installed.
    """
    try:
        import gradio
    except ImportError as error:
        raise UserError("--mode=demo needs the package gradio: pip install 'gan_xla[demo]'") from error
    return gradio


def build(workdirs: Sequence[str]) -> "gradio.Blocks":
    """The page for some runs, to be launched by `serve`, or as a part of another page.

    Raises:
      UserError: no such run, or no Gradio.
    """
    gr, work = library(), Work(Runs(workdirs))
    with gr.Blocks(title="gan_xla", analytics_enabled=False, delete_cache=CLEAN) as page:
        with gr.Row():
            run = gr.Dropdown(work.runs.names, value=work.runs.names[0], label="Run", filterable=False)
            checkpoint = gr.Dropdown(["last"], value="last", label="Checkpoint", filterable=False)
        about = gr.Markdown()
        which = [run, checkpoint]
        with gr.Tabs() as tabs:
            with gr.Tab("Translate", visible=False, id="translate") as translating:
                into = _translate(gr, work, which)
            with gr.Tab("Draw", visible=False, id="sample") as drawing:
                drawn = _draw(gr, work, which, "sample")
            with gr.Tab("Walk", visible=False, id="walk") as walking:
                walked = _draw(gr, work, which, "walk")
        shown = [about, checkpoint, tabs, translating, drawing, walking, *into, *drawn, *walked]

        def choose(name: Any, step: Any) -> list:
            model = work.model(name, step or "last")
            steps = ["last", *map(str, reversed(work.runs.steps(name)))]
            return [_about(model), gr.update(choices=steps, value=str(step or "last")), *_controls(gr, model)]

        settings = _settings("private", show_progress="hidden")
        page.load(_told(gr, choose), which, shown, **settings)
        run.input(_told(gr, lambda name: choose(name, "last")), run, shown, **settings)
        checkpoint.input(_told(gr, lambda *chosen: choose(*chosen)[0]), which, about, **settings)
    return page.queue(max_size=WAITING, api_open=False)


def _settings(visibility: str = "public", **more) -> dict[str, Any]:
    """Of an event. What it is called with is checked by `Work`, not by components, which know of no other runs than the
    one that is shown; models work one at a time."""
    checked = {"preprocess": False, "concurrency_id": "models", "concurrency_limit": 1}
    return {**checked, "api_visibility": visibility, **more}


def _told(gr, function: Callable) -> Callable:
    """A function whose mistakes Gradio tells, in one line; of other exceptions it says nothing to the outside."""

    @functools.wraps(function)  # the API's names of arguments are the function's
    def call(*args):
        try:
            return function(*args)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return call


def _gallery(gr):
    return gr.Gallery(label="Results", format="png", object_fit="contain", columns=3, height=None, interactive=False)


def _translate(gr, work: Work, which: list) -> list:
    """Puts up the controls of translation; those that depend on the model, the results among them."""

    def picture(label: str, **more):
        sources = ["upload", "clipboard", "webcam"]
        # As it was sent: our own decoder reads it.
        return gr.Image(label=label, sources=sources, type="filepath", image_mode=None, height=300, **more)

    with gr.Row():
        with gr.Column():
            image = picture("Image")
            direction = gr.Dropdown([], label="Direction", filterable=False, visible=False)
            domains = gr.Dropdown([], label="Domains", multiselect=True, visible=False)
            styles = gr.Slider(1, STYLES, 1, step=1, label="Styles", visible=False)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=SEEDS - 1, visible=False)
            reference = picture("Take the style of; with several styles, go there", visible=False)
            strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", visible=False)
            button = gr.Button("Translate", variant="primary")
        with gr.Column():
            results = _gallery(gr)
    inputs = [*which, image, direction, domains, styles, reference, seed, strength]
    button.click(_told(gr, work.translate), inputs, results, **_settings(api_name="translate"))
    return [direction, domains, styles, reference, seed, strength, results]


def _draw(gr, work: Work, which: list, name: str) -> list:
    """Puts up the controls of `Work.sample` or `walk`; the one of labels, and the results."""
    seed = {"value": 0, "precision": 0, "minimum": 0, "maximum": SEEDS - 1}
    with gr.Row():
        with gr.Column():
            label = gr.Dropdown([], label="Label", filterable=False, visible=False)
            number = gr.Slider(2 if name == "walk" else 1, MOST, 8, step=1, label="Images")
            seeds = [gr.Number(label="From seed" if name == "walk" else "Seed", **seed)]
            seeds += [gr.Number(label="To seed", **seed | {"value": 1})] if name == "walk" else []
            psi = gr.Slider(0, 2, 1, step=0.05, label="Psi: below 1 more usual, less varied")
            button = gr.Button("Walk" if name == "walk" else "Draw", variant="primary")
        with gr.Column():
            results = _gallery(gr)
    inputs = [*which, label, number, *seeds, psi]
    button.click(_told(gr, getattr(work, name)), inputs, results, **_settings(api_name=name))
    return [label, results]


def _about(model: Model) -> str:
    return f"{model.config.gan}, step {model.step}, {images.shown(model.config.data.image_size)} pixels"


def _controls(gr, model: Model) -> list:
    """What a model has of the tabs and controls, in the order of `shown`."""
    domains, directions = list(model.domains), list(model.directions)
    styled, draws = model.style is not None, model.latent > 0
    several = model.labels is not None and not all(part.one_hot for part in model.labels.sets)
    first = next(iter(domains), None)
    into = {"choices": domains, "value": [first] if several else first, "multiselect": several}
    label = {"choices": [("each in turn", ""), *domains], "value": "", "visible": bool(domains)}
    nothing = gr.update(value=None)  # what another run made
    return [
        gr.update(selected="translate" if model.translates else "sample"),
        gr.update(visible=model.translates),
        gr.update(visible=draws),
        gr.update(visible=draws),
        gr.update(choices=directions, value=next(iter(directions), None), visible=len(directions) > 1),
        gr.update(**into, visible=model.translates and bool(domains)),
        gr.update(value=1, visible=styled),
        gr.update(value=None, visible=styled),
        gr.update(value=0, visible=styled or bool(model.habit.dropout)),
        gr.update(value=1, visible=model.graded),
        nothing,
        gr.update(**label),
        nothing,
        gr.update(**label | {"choices": domains, "value": first}),
        nothing,
    ]
