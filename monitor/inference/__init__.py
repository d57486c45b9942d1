"""The inference worker: checkpoints in this process, answered in batches. Besides the demo, only it imports torch."""
