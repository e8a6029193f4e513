"""Every fix that was taken, kept: the store's contract and its adapters, and the writer that fills it behind the ticks."""
