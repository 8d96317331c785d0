"""Training: `train` begins or resumes a run, `loop` plays its phases, `step` is the paired update of G and D.

`likeness` adds losses that every method that translates may have; `precompile` makes the next phase's programs early;
`previews`, `score`, `reporter`, `logs` and `boards` show how it goes; `interrupt` ends it in order. No method is named
here.
"""
