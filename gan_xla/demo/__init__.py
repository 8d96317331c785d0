"""`--mode=demo`: a page and an API, by Gradio, on which people try the models of a few runs.

  python -m gan_xla.main --mode=demo --workdir=runs/discogan-quick,'runs/stargan*' [--host=0.0.0.0] [--port=7860]

Each run goes by the name of its directory, with that of the one above where names are equal. Models load when they are
first asked for, and the latest few stay. The page is open to this machine alone unless `--host` says otherwise; it has
no passwords, so that a host of a network is open to all of it. Results are pictures of 8 bits; `--mode=translate` keeps
values. Images of all sizes go as `data.fit` says to the training size.

By a program (`pip install gradio_client`; an empty text or None: the model's default):

  client = gradio_client.Client("http://127.0.0.1:7860")
  photo = gradio_client.handle_file("photo.png")
  client.predict("discogan-quick", "last", photo, "AtoB", None, 1, None, 0, 1.0, api_name="/translate")
      # run, checkpoint, image, direction, domains, styles, reference, seed, strength
  client.predict("cgan", "last", "3", 8, 0, 1.0, api_name="/sample")  # run, checkpoint, label, number, seed, psi
  client.predict("cgan", "last", "3", 8, 0, 1, 1.0, api_name="/walk")  # ..., number, from seed, to seed, psi

Each gives a list of {"image": file, "caption": text}. A mistake is an `AppError` of one line.

As a hosted Space: a repository with `requirements.txt` (gan_xla[demo]), the run's `config.json` and `checkpoints/` in
`run/`, and this `app.py`, which runs at home too:

  from gan_xla.demo import serve
  serve(["run"])
"""

from gan_xla.demo.page import build
from gan_xla.demo.server import serve

__all__ = ["build", "serve"]
