"""The *real compressed model*: selection on tensors, hooks on the transformers thinker, inputs.

Nothing is imported here: each module loads torch or transformers only when it is asked for.
"""
