"""What a fleet wants to be told: rules on its fences and vehicles, and the hours at which they count."""
