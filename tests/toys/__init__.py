"""Small modalities and pretexts on generated data, which prove that the seam bends for nobody."""
