"""A run: its configuration, its state at one moment, and its directory.

`settings` finds, checks and freezes configs, `limits` says what their fields may be; `state` is all that a bitwise
resume needs, `transfer` what a first state takes from another run; `changes` says what may differ when a run goes on;
`checkpoint`, `lock` and `environment` keep it on disk. Nothing here plays a step.
"""
