"""Who will be on duty and free, and when: learned from the fleet's own history."""
