"""Station: how long ways take, learned from each fleet's own fixes or asked of a road engine."""
