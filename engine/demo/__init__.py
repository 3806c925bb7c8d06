"""The offline default: a small image world, its data sets, and the models trained on it."""
