"""The same six steps and one effect, kept on disk by three systems, with crashes."""
