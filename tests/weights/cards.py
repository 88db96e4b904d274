"""A model card in which nothing is lacking."""

CARD = """\
# thing

Sees depth in tests.

## Data
Painted boxes.

## Licence
Apache-2.0.

## Training
- steps: 2000
- hours: 0.5
- hardware: one laptop
- commit: 0a1b2c3

## Validation
AbsRel 0.05.

## Real recordings
None were looked at.

## Known failures
Mirrors.
"""
