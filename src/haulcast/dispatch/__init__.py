"""Who should take a load: the best drivers for one, and many loads at once."""
