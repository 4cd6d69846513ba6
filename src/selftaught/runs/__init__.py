"""The run folder: names on disk, atomic writes, the encoder that is handed over."""
