"""Networks that others published for PyTorch: their layouts, and `--mode=import`. A repository is one module here.

Each of junyanz, sktbrain and yunjey has
  CLASSES: names of its network classes, for telling a whole network from hostile code.
  NETS: those of `gan_xla.nets` that are its networks.
  recognise(state, source) -> layout.Network.
  layers(role, fields, size) -> the `layout.Layer`s of a network of ours in its naming, as they run.
  plan(files, ...) -> layout.Plan: which file is which network of a run; options are flags of the import.
  file_name(model, name): what its code calls the file of a model's network "G_AB", or "G" where there is one.

Arrays of the others have other forms than ours, see `leaves`. Each has
  OWN: a pattern that keys of its networks begin with, and of no others.
  file(state, path) -> layout.File.
  read(file, like, fields, size) -> our variables of a file, of the network with these fields of the config.
  plan(files, direction, labels) -> layout.Plan.
and where networks are exported as its own
  NETS, file_name, and write(net, role, fields, size) -> arrays by its names,
  and where files hold several networks
  together(networks, model) -> what they hold, by their names.
"""
