"""Plans: which vehicle takes which loads, in which order and when; searched beside the hub, and put in force by somebody or by a rule."""
