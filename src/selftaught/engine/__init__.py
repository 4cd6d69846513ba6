"""The training loop: Step, feed, optimisers, calibration, health, embedding."""
