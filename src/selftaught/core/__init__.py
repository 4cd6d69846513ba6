"""The vocabulary and the protocols that every other layer speaks."""
