"""The whole house on one machine."""
