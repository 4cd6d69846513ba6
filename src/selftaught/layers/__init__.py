"""Parts of networks that encoders and heads share: attention, blocks, position codes."""
