"""What stages share to train, control and score: labelled parts, controls, scores and their tables."""
